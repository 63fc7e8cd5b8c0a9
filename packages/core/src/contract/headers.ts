/** Headers as they stand in SQL, in an outbox and at TPC: UTF-8 JSON, names in order so that the same headers are the same bytes; NULL when there are none. */
export function encodeHeaders(headers: Readonly<Record<string, string>>): Buffer | null {
  const entries = Object.entries(headers);
  if (entries.length === 0) return null;
  // Stryker disable next-line EqualityOperator: no two names are equal.
  return Buffer.from(JSON.stringify(Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)))));
}

export function decodeHeaders(stored: Buffer | null): Record<string, string> {
  return stored === null ? {} : (JSON.parse(stored.toString('utf8')) as Record<string, string>);
}
