/** Code of a database's error, without its message: that has the statement's values in it. */
export function codeOf(error: unknown): string {
  const { code, errno, name } = (error ?? {}) as { code?: string; errno?: number; name?: string };
  return [code, errno].filter((part) => part !== undefined).join(' ') || name || 'unknown error';
}
