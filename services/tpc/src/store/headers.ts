/** Headers as they stand in SQL: UTF-8 JSON, NULL when there are none. Both directions. */
export function encodeHeaders(headers: Readonly<Record<string, string>>): Buffer | null {
  return Object.keys(headers).length === 0 ? null : Buffer.from(JSON.stringify(headers));
}

export function decodeHeaders(stored: Buffer | null): Record<string, string> {
  return stored === null ? {} : (JSON.parse(stored.toString()) as Record<string, string>);
}
