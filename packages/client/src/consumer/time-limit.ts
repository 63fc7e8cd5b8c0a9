/**
 * Waits for work, at most so long. The work itself is not ended.
 * @throws Error naming `what` when the time is over, else what the work throws
 */
export async function withTimeLimit<T>(what: string, ms: number, work: Promise<T> | T): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} did not end within ${ms} ms`)), ms);
  });
  try {
    return await Promise.race([work, timeout]);
  } finally {
    clearTimeout(timer);
  }
}
