/** A refresh token and its session as they are stored; ages by the database's clock. */
export type StoredRefreshToken = {
  expired: boolean;
  sessionEnded: boolean;
  /** Milliseconds since it was used; undefined when it never was. */
  usedMsAgo: number | undefined;
};

/** A second use within this time is two tabs, or a repeated request, not a thief. Milliseconds. */
export const REUSE_GRACE_MS = 10_000;

/**
 * What a refresh token that was shown means. `rotate`: new tokens for it. `refuse`: none. `end-session`: none, and the session is over, since
 * a used token came again: either its owner or a thief has an old copy, and nobody can tell which (RFC 9700, 4.14.2).
 */
export function judgeRefresh(token: StoredRefreshToken | undefined): 'rotate' | 'refuse' | 'end-session' {
  if (!token || token.sessionEnded) return 'refuse';
  if (token.usedMsAgo !== undefined) return token.usedMsAgo > REUSE_GRACE_MS ? 'end-session' : 'refuse';
  return token.expired ? 'refuse' : 'rotate';
}
