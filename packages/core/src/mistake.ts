/** Errors of these kinds come from a mistake in the program, wherever they appear. */
const MISTAKES: ReadonlySet<string> = new Set(['TypeError', 'RangeError', 'ReferenceError', 'SyntaxError', 'AssertionError']);

/**
 * Whether an error comes from a mistake in the program, so that its stack is wanted, rather than from outside (network, database, a refusal), where it comes
 * again with each try and tells nothing. The first cause decides. One with a code comes from the system, a server or a library; one without, logged as an
 * error, is nothing that was expected.
 * @param asError whether it is logged at level error or above
 */
export function isMistake(error: Error, asError: boolean): boolean {
  const { cause, name } = error;
  if (cause instanceof Error) return isMistake(cause, asError);
  return !('code' in error) && (MISTAKES.has(name) || asError);
}
