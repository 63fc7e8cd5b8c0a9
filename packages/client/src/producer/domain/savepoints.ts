/**
 * Follows a transaction's statements to know whether a savepoint is open. An outbox row written inside one could be dropped by ROLLBACK TO
 * while business rows commit.
 */
export class Savepoints {
  #open: string[] = [];

  get isOpen(): boolean {
    return this.#open.length > 0;
  }

  /** Looks at a statement that is about to run. */
  see(sql: string): void {
    const set = /^\s*SAVEPOINT\s+[`"]?([\w$]+)/i.exec(sql);
    if (set) {
      this.#open.push(set[1] as string);
      return;
    }
    // Whoever goes back to a savepoint leaves it: knex does not release it then.
    const left = /^\s*(?:RELEASE|ROLLBACK(?:\s+(?:WORK|TRANSACTION))?\s+TO)\s+(?:SAVEPOINT\s+)?[`"]?([\w$]+)/i.exec(sql);
    if (!left) return;
    const index = this.#open.lastIndexOf(left[1] as string);
    if (index >= 0) this.#open = this.#open.slice(0, index);
  }
}
