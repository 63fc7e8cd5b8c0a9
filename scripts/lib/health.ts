import { credentials } from '@grpc/grpc-js';
import { proxyOptions } from '@tpc/core';
import { HealthCheckResponse_ServingStatus, HealthClient } from '@tpc/gen/grpc/health/v1/health';

const ANSWER_WITHIN_MS = 2_000;

/**
 * Asks a server for its state by grpc.health.v1.
 * @param part a named part, or empty for the whole service
 * @throws Error when it does not answer, or says that it does not serve
 */
export async function assertServing(address: string, part = ''): Promise<void> {
  const client = new HealthClient(address, credentials.createInsecure(), proxyOptions(address));
  try {
    const status = await new Promise<HealthCheckResponse_ServingStatus>((resolve, reject) => {
      client.check({ service: part }, { deadline: Date.now() + ANSWER_WITHIN_MS } as never, (error, response) =>
        error ? reject(error) : resolve(response.status),
      );
    });
    if (status !== HealthCheckResponse_ServingStatus.SERVING) throw new Error(`${part || address} is not ready`);
  } finally {
    client.close();
  }
}
