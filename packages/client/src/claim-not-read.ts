/**
 * Rows that were just claimed are not there for the session that claimed them: a proxy sends statements of one transaction to several servers, or something
 * else writes the library's tables. The claim is rolled back, so nothing waits for a lease.
 */
export class ClaimNotRead extends Error {
  override readonly name = 'ClaimNotRead';
  /** For the log, which shows the code of an error. */
  readonly code = 'CLAIM_NOT_READ';

  constructor(claimed: number, read: number) {
    super(`claimed ${claimed} rows and read ${read} of them: every statement of a transaction must go to the primary database`);
  }
}
