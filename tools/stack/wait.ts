/**
 * Asks until it is answered.
 * @param giveUp why it is of no use to go on, when it is not
 * @throws the last error, when `withinMs` have passed
 */
export async function untilAnswers<T>(ask: () => Promise<T>, withinMs: number, giveUp: () => Error | undefined = () => undefined): Promise<T> {
  const end = performance.now() + withinMs;
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      const reason = giveUp();
      if (reason) throw reason;
      if (performance.now() > end) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
