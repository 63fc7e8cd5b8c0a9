/**
 * The trace that a W3C traceparent names, for log lines and searches.
 * @returns 32 hex digits; undefined for an empty or malformed traceparent
 */
export function traceIdOf(traceparent: string): string | undefined {
  return /^[0-9a-f]{2}-([0-9a-f]{32})-/.exec(traceparent)?.[1];
}
