import type { User } from '../domain/user.ts';

/** A user in an envelope. The id is text: it is above 2^53, which JSON numbers of many languages do not hold. */
export function toUserResult(user: User) {
  return { id: user.id, loginName: user.loginName, email: user.email, status: user.status, createTime: new Date(user.createdAt).toISOString() };
}
