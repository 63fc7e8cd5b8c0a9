const REASONS: Readonly<Record<string, string>> = {
  EADDRINUSE: 'the port is taken',
  EACCES: 'this process may not listen on that port',
  EADDRNOTAVAIL: 'this host has no such address',
  ENOTFOUND: 'the host name is not known',
};

/**
 * The line about a port that cannot be had, in the same words everywhere.
 * @param what the setting of the port, or the part that wanted it
 * @param cause what the system said; gRPC hides its code in the message
 */
export function cannotListen(what: string, host: string, port: number, cause: unknown): string {
  const { code, message } = cause as { code?: string | number; message: string };
  const known = typeof code === 'string' && code in REASONS ? code : Object.keys(REASONS).find((one) => message.includes(one));
  const address = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
  return `${what}: cannot listen on ${address}: ${known === undefined ? message : REASONS[known]}`;
}
