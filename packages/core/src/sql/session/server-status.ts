/** What each answer of MySQL and MariaDB to a write tells of its session, as bits. */
export const ServerStatus = { IN_TRANSACTION: 1, AUTOCOMMIT: 2 } as const;

/**
 * @param answer the header that a write or a CALL is answered with, or a list that ends with one
 * @returns the bits; undefined for rows, which tell nothing of it
 */
export function serverStatusOf(answer: unknown): number | undefined {
  const header = (Array.isArray(answer) ? answer.at(-1) : answer) as { serverStatus?: unknown } | undefined;
  return typeof header?.serverStatus === 'number' ? header.serverStatus : undefined;
}
