/**
 * Waits for the work, but no longer than until the signal. The work itself goes on, and a failure after the signal is nobody's concern.
 * @returns undefined when the signal came first
 * @throws what the work throws before the signal
 */
export async function orAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T | undefined> {
  work.catch(() => undefined);
  if (signal.aborted) return undefined;
  const aborted = Promise.withResolvers<undefined>();
  const stop = () => aborted.resolve(undefined);
  signal.addEventListener('abort', stop, { once: true });
  return Promise.race([work, aborted.promise]).finally(() => signal.removeEventListener('abort', stop));
}
