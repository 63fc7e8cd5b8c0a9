/** The side of a bench program that answers its starter (bench/child.ts). */

type Method = (argument: never) => unknown;

/**
 * Answers questions by their names until SIGTERM.
 * @param stop called before the process leaves
 */
export function serve(methods: Readonly<Record<string, Method>>, stop: () => Promise<void>): void {
  process.on('message', async ({ id, method, argument }: { id?: number; method: string; argument: unknown }) => {
    const work = methods[method];
    if (work === undefined) return;
    try {
      const result = await work(argument as never);
      if (id !== undefined) process.send?.({ id, result });
    } catch (error) {
      if (id !== undefined) process.send?.({ id, error: error instanceof Error ? (error.stack ?? error.message) : String(error) });
    }
  });
  process.channel?.ref(); // count-statements.ts lets it go
  process.send?.({ method: 'serving' });
  process.once('SIGTERM', () => {
    stop().then(
      () => process.exit(0),
      (error) => {
        console.error(error);
        process.exit(1);
      },
    );
  });
}

/** A setting that the starter gives. */
export function setting(name: string): string {
  const value = process.env[name];
  if (value === undefined) throw new Error(`${name} is not set: this program is started by npm run bench`);
  return value;
}
