/** About 3 MB. A message is confirmed and reported within a second or so; what is older is looked up. */
const MAX_IDS = 20_000;

/**
 * Ids of messages that this process has lately stored or locked. They save a look by key before rows are locked by id. Only hints: an id may be of
 * another row by now, or was never of this one, so whoever locks a row by it looks at the row's key (`inLockPasses`).
 */
export class MessageIds {
  readonly #ids = new Map<string, number>();
  /**
   * At the oldest, of which there is always one where it is asked. Kept, since a new one is read past all that the Map has lost, thousands, to find it. It
   * must go on with every id that comes, as it does once the Map is full: one that rests keeps all alive that its Map outgrows.
   */
  readonly #oldest = this.#ids.keys();

  note(messageKey: string, id: number): void {
    this.#ids.set(messageKey, id);
    if (this.#ids.size > MAX_IDS) this.#ids.delete(this.#oldest.next().value as string);
  }

  get(messageKey: string): number | undefined {
    return this.#ids.get(messageKey);
  }

  forget(messageKey: string): void {
    this.#ids.delete(messageKey);
  }
}
