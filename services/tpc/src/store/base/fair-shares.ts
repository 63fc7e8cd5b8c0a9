/**
 * Shares a limit among owners with due work, so that none waits for another: each gets an equal part, at least one; when there are more
 * owners than the limit, a random stretch of them gets one each. Pure.
 * @param random a number in [0, 1)
 */
export function fairShares(owners: readonly number[], limit: number, random: number): { owner: number; share: number }[] {
  if (owners.length === 0 || limit <= 0) return [];
  const start = Math.floor(random * owners.length);
  const turn = [...owners.slice(start), ...owners.slice(0, start)].slice(0, limit);
  const share = Math.floor(limit / turn.length);
  const extra = limit - share * turn.length;
  return turn.map((owner, place) => ({ owner, share: share + (place < extra ? 1 : 0) }));
}
