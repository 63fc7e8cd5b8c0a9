/** Half of what is kept, about 3 MB in all. A message is confirmed and reported within a second or so; what is older is looked up. */
const MAX_YOUNG = 10_000;

/**
 * Ids of messages that this process has lately stored or locked. They save a look by key before rows are locked by id. Only hints: an id may be of
 * another row by now, or was never of this one, so whoever locks a row by it looks at the row's key (`inLockPasses`).
 */
export class MessageIds {
  // The oldest go by the half: a Map that loses its first entry with each new one is read past all that it has lost, thousands, to find the next.
  #young = new Map<string, number>();
  #old = new Map<string, number>();

  note(messageKey: string, id: number): void {
    this.#young.set(messageKey, id);
    if (this.#young.size <= MAX_YOUNG) return;
    this.#old = this.#young;
    this.#young = new Map();
  }

  get(messageKey: string): number | undefined {
    return this.#young.get(messageKey) ?? this.#old.get(messageKey);
  }

  forget(messageKey: string): void {
    this.#young.delete(messageKey);
    this.#old.delete(messageKey);
  }
}
