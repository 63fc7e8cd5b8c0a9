/** About 3 MB. A message is confirmed and reported within a second or so; what is older is looked up. */
const MAX_IDS = 20_000;

/**
 * Ids of messages that this process has lately stored or locked. They save a look by key before rows are locked by id. Only hints: an id may be of
 * another row by now, or was never of this one, so whoever locks a row by it looks at the row's key (`inLockPasses`).
 */
export class MessageIds {
  readonly #ids = new Map<string, number>();

  note(messageKey: string, id: number): void {
    this.#ids.set(messageKey, id);
    if (this.#ids.size <= MAX_IDS) return;
    const [oldest] = this.#ids.keys();
    this.#ids.delete(oldest as string);
  }

  get(messageKey: string): number | undefined {
    return this.#ids.get(messageKey);
  }

  forget(messageKey: string): void {
    this.#ids.delete(messageKey);
  }
}
