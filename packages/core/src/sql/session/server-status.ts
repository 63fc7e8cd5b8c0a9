/** What each answer of MySQL and MariaDB to a write tells of its session, as bits. */
export const ServerStatus = { IN_TRANSACTION: 1, AUTOCOMMIT: 2 } as const;

type Header = { affectedRows: number; serverStatus?: unknown };

/**
 * @param answer the header that a write or a CALL is answered with; or a list with headers in it, as a text of several statements is answered with
 * @returns the bits of the last header; undefined for rows, which tell nothing of it
 */
export function serverStatusOf(answer: unknown): number | undefined {
  const header = Array.isArray(answer) ? lastHeader(answer) : (answer as Header | undefined);
  return typeof header?.serverStatus === 'number' ? header.serverStatus : undefined;
}

/** Rows are looked at no further than the first: there may be many. */
function lastHeader(answers: readonly unknown[]): Header | undefined {
  const [first] = answers;
  return Array.isArray(first) || isHeader(first) ? answers.findLast(isHeader) : undefined;
}

function isHeader(answer: unknown): answer is Header {
  return typeof answer === 'object' && answer !== null && 'affectedRows' in answer && 'serverStatus' in answer;
}
