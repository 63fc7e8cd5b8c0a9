/**
 * Follows a transaction's statements to know whether a savepoint is open. An outbox row written inside one could be dropped by ROLLBACK TO
 * while business rows commit.
 */
export class Savepoints {
  #open: string[] = [];

  get isOpen(): boolean {
    return this.#open.length > 0;
  }

  /** Looks at what is about to run, as `statementsOf` tells the statements of a text. */
  see(statements: readonly string[]): void {
    for (const statement of statements) this.#follow(statement);
  }

  /** Databases tell savepoints apart without regard to case. */
  #follow(statement: string): void {
    const set = /^SAVEPOINT\s+(\S+)/i.exec(statement);
    if (set) {
      this.#open.push(nameOf(set));
      return;
    }
    // Whoever goes back to a savepoint leaves it: knex does not release it then.
    const left = /^(?:RELEASE|ROLLBACK(?:\s+(?:WORK|TRANSACTION))?\s+TO)\s+(?:SAVEPOINT\s+)?(\S+)/i.exec(statement);
    if (!left) return;
    const index = this.#open.lastIndexOf(nameOf(left));
    if (index >= 0) this.#open = this.#open.slice(0, index);
  }
}

function nameOf(match: RegExpExecArray): string {
  // Stryker disable next-line MethodExpression: either makes names of other letters of case the same.
  return (match[1] as string).toLowerCase();
}
