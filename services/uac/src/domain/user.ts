/** States of a user, stored by name as in the original (UacUserStatusEnum). */
export type UserStatus = 'ENABLE' | 'DISABLE';

/** A user as the rest of the service sees it; no password hash. */
export type User = {
  /** Snowflake id; above 2^53, so it is text everywhere. */
  id: string;
  /** Empty: the registration waited so long that another has taken its name; it is only a claim on its address. */
  loginName: string;
  email: string;
  status: UserStatus;
  /** Whether the user has ever been activated: one that an operator disabled later must not come back by an old link. */
  everActive: boolean;
  /** As it was registered, E.164; empty: none. Nobody has proven it. */
  mobileNo: string;
  /** Whether this registration replaced another one of the same address with another password: only who knows its password may activate it. */
  contested: boolean;
  /** UTC milliseconds. */
  createdAt: number;
};

/** Why a user with the right password may not come in; undefined: may. */
export function loginRefusal(user: Pick<User, 'status' | 'everActive'>): 'UAC10011106' | 'UAC10011107' | undefined {
  if (user.status === 'ENABLE') return undefined;
  return user.everActive ? 'UAC10011107' : 'UAC10011106';
}

/** Whether an activation mail may be sent to, and a link used by, this user. */
export function awaitsActivation(user: Pick<User, 'status' | 'everActive' | 'loginName'>): boolean {
  return user.status === 'DISABLE' && !user.everActive && user.loginName !== '';
}
