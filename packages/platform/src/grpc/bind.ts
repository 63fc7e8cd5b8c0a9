import type { Server, ServerCredentials } from '@grpc/grpc-js';
import { StartError } from '../errors.ts';

export type ListenAddress = {
  host: string;
  /** 0: the system chooses. */
  port: number;
  /** Name of the port's setting, for the error line when it is taken. */
  portSetting: string;
};

/**
 * Lets a gRPC server listen.
 * @returns the port
 * @throws StartError naming the setting, when it cannot
 */
export function bind(server: Server, { host, port, portSetting }: ListenAddress, credentials: ServerCredentials): Promise<number> {
  const address = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
  return new Promise((resolve, reject) => {
    server.bindAsync(address, credentials, (error, bound) => {
      if (error) reject(new StartError(`${portSetting}: cannot listen on ${address}: ${reasonOf(error)}`, { cause: error }));
      else resolve(bound);
    });
  });
}

function reasonOf(error: Error): string {
  return error.message.includes('EADDRINUSE') ? 'the port is taken' : error.message;
}
