import { type ParseArgsConfig, parseArgs } from 'node:util';
import { didYouMean, StartError } from '@tpc/platform';

/**
 * Node's parseArgs with errors of one short line: what was not understood, what may have been meant, and where help is.
 * @throws StartError
 */
export function parseArguments<T extends ParseArgsConfig>(config: T): ReturnType<typeof parseArgs<T>> {
  try {
    return parseArgs(config);
  } catch (cause) {
    const { message } = cause as Error;
    // Node adds how to pass a word that looks like an option; nobody here takes such words.
    const [what = message] = message.split(/\. To specify|\. This command/);
    const unknown = /^Unknown option '(-[^']+)'/.exec(message)?.[1];
    const meant =
      unknown &&
      didYouMean(
        unknown,
        Object.keys(config.options ?? {}).map((name) => `--${name}`),
      );
    const words =
      unknown === undefined ? what.charAt(0).toLowerCase() + what.slice(1) : `unknown option ${unknown}${meant ? `; did you mean ${meant}?` : '.'}`;
    throw new StartError(`${words.replace(/([^.?])$/, '$1.')} --help lists the options.`, { cause });
  }
}
