/** One clear line for a port that cannot be had: what wanted it, which port, and why not. The reason is the error's `cause`. */
export function listenError(what: string, host: string, port: number, cause: unknown): Error {
  const { code, message } = cause as { code?: string; message: string };
  const reasons: Record<string, string> = {
    EADDRINUSE: 'is already in use',
    EACCES: 'needs more rights than this process has',
    EADDRNOTAVAIL: 'cannot be bound: this host has no such address',
    ENOTFOUND: 'cannot be bound: the host name is not known',
  };
  return new Error(`${what}: port ${port} on ${host} ${reasons[code ?? ''] ?? `cannot be bound (${message})`}`, { cause });
}
