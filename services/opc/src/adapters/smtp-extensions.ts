/** Which extensions a mail server offers, asked of the server itself: nodemailer tells them only after a mail was sent. */
import { createTransport } from 'nodemailer';

type Options = NonNullable<Parameters<typeof createTransport>[0]>;

/**
 * Connects as for a mail (with STARTTLS and log-in, where set), reads the answer to the last EHLO, and leaves.
 * @param transport as for nodemailer, without a pool
 * @returns the extensions by their names, for example SMTPUTF8
 * @throws what nodemailer throws when the server cannot be had or refuses
 */
export async function readExtensions(transport: object): Promise<ReadonlySet<string>> {
  let command = '';
  let answer = '';
  const read = ({ tnx }: { tnx?: string }, text: string) => {
    if (tnx === 'client') command = text;
    if (tnx === 'server' && /^(EHLO|HELO)\b/.test(command)) answer = text;
  };
  const nothing = () => undefined;
  const logger = { debug: read, trace: nothing, info: nothing, warn: nothing, error: nothing, fatal: nothing, level: nothing };
  const asking = createTransport({ ...transport, transactionLog: true, logger } as unknown as Options);
  try {
    await asking.verify();
  } finally {
    asking.close();
  }
  const names = answer.split(/\r?\n/).map((line) => /^250[ -]([A-Za-z0-9][A-Za-z0-9-]*)/.exec(line)?.[1]?.toUpperCase() ?? '');
  // The first line names the server.
  return new Set(names.slice(1).filter((name) => name !== ''));
}
