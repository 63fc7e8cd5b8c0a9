import { type MethodDefinition, type ServiceDefinition, status } from '@grpc/grpc-js';
import { MAX_REQUEST_BYTES } from '@tpc/core';
import { AppError } from '../errors.ts';

/** A request that could not be read; its handler is never called. */
export class UnreadableRequest {
  readonly error: AppError;
  constructor(error: AppError) {
    this.error = error;
  }
}

export function isUnreadable(request: unknown): request is UnreadableRequest {
  return request instanceof UnreadableRequest;
}

/**
 * The definition with a deserializer that never throws, so that a malformed request is answered by our typed error and not by INTERNAL.
 * @param maxBytes most bytes of a request of its methods; above it the answer is INVALID_ARGUMENT, REQUEST_TOO_LARGE, since no repetition can help
 */
export function tolerantDefinition(definition: ServiceDefinition, maxBytes = MAX_REQUEST_BYTES): ServiceDefinition {
  const methods = Object.entries(definition).map(([name, method]) => [name, { ...method, requestDeserialize: tolerant(method, maxBytes) }]);
  return Object.fromEntries(methods) as ServiceDefinition;
}

function tolerant(method: MethodDefinition<unknown, unknown>, maxBytes: number): (bytes: Buffer) => unknown {
  return (bytes) => {
    if (bytes.length > maxBytes) {
      return new UnreadableRequest(
        new AppError({
          status: status.INVALID_ARGUMENT,
          reason: 'REQUEST_TOO_LARGE',
          message: `The request has ${bytes.length} bytes; at most ${maxBytes} are taken.`,
          metadata: { size: String(bytes.length), limit: String(maxBytes) },
        }),
      );
    }
    try {
      return method.requestDeserialize(bytes);
    } catch (cause) {
      return new UnreadableRequest(
        new AppError({
          status: status.INVALID_ARGUMENT,
          reason: 'MALFORMED_REQUEST',
          message: `The request is not a valid ${method.path} message: ${(cause as Error).message}`,
        }),
      );
    }
  };
}
