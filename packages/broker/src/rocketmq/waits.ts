const FIRST_WAIT_MS = 200;
const LONGEST_WAIT_MS = 5_000;

/** Wait before the next try after so many failures in a row, milliseconds: doubles up to 5 s, with a fifth of jitter. */
export function growingWait(failures: number, random: () => number = Math.random): number {
  const wait = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** Math.max(0, failures - 1));
  return Math.round(wait * (0.8 + 0.4 * random()));
}
