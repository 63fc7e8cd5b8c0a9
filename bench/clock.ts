/** Milliseconds since the epoch with parts of them: comparable between processes of one machine, unlike `performance.now()`. */
export function now(): number {
  return performance.timeOrigin + performance.now();
}
