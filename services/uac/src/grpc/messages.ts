import { IdentityKind, UserStatus, type SessionTokens as WireTokens, type User as WireUser } from '@tpc/gen/uac/v1/user_service';
import type { IdentityKind as DomainKind } from '../domain/identity.ts';
import type { User } from '../domain/user.ts';
import type { SessionTokens } from '../flows/session-tokens.ts';

/** A user on the wire. */
export function toUserMessage(user: User): WireUser {
  const status = user.status === 'ENABLE' ? UserStatus.USER_STATUS_ENABLE : UserStatus.USER_STATUS_DISABLE;
  return { id: BigInt(user.id), loginName: user.loginName, email: user.email, status, createTime: new Date(user.createdAt) };
}

/** Tokens on the wire. */
export function toSessionTokens(tokens: SessionTokens): WireTokens {
  return {
    accessToken: tokens.accessToken,
    accessExpireTime: new Date(tokens.accessExpiresAt),
    refreshToken: tokens.refreshToken,
    refreshExpireTime: new Date(tokens.refreshExpiresAt),
  };
}

const KINDS: ReadonlyMap<IdentityKind, DomainKind> = new Map<IdentityKind, DomainKind>([
  [IdentityKind.IDENTITY_KIND_LOGIN_NAME, 'loginName'],
  [IdentityKind.IDENTITY_KIND_EMAIL, 'email'],
  [IdentityKind.IDENTITY_KIND_MOBILE, 'mobileNo'],
]);

/** Undefined for unspecified and for kinds that this build does not know. */
export function fromIdentityKind(kind: IdentityKind): DomainKind | undefined {
  return KINDS.get(kind);
}
