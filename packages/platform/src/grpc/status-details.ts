import { Metadata, type ServiceError, status } from '@grpc/grpc-js';
import type { Any } from '@tpc/gen/google/protobuf/any';
import { BadRequest, ErrorInfo, RetryInfo } from '@tpc/gen/google/rpc/error_details';
import { Status } from '@tpc/gen/google/rpc/status';
import type { AppError } from '../errors.ts';

/** Details travel in trailers, whose size is bounded (8 KiB by default in many clients): more violations are cut. */
const MAX_VIOLATIONS = 16;
const TYPE = 'type.googleapis.com/google.rpc.';

/** An error as google.rpc.Status with ErrorInfo, BadRequest and RetryInfo (AIP-193); also the per-item form of batches. */
export function toRpcStatus(error: AppError, domain: string): Status {
  const metadata = error.reasonName === error.reason ? error.metadata : { ...error.metadata, name: error.reasonName };
  const details: Any[] = [detail('ErrorInfo', ErrorInfo.encode({ reason: error.reason, domain, metadata: { ...metadata } }).finish())];
  if (error.violations.length > 0) {
    const fieldViolations = error.violations.slice(0, MAX_VIOLATIONS).map((violation) => ({ ...violation, localizedMessage: undefined }));
    details.push(detail('BadRequest', BadRequest.encode({ fieldViolations }).finish()));
  }
  if (error.retryAfterMs !== undefined) {
    const retryDelay = { seconds: BigInt(Math.floor(error.retryAfterMs / 1000)), nanos: (error.retryAfterMs % 1000) * 1_000_000 };
    details.push(detail('RetryInfo', RetryInfo.encode({ retryDelay }).finish()));
  }
  return { code: error.status, message: error.message, details };
}

/** OK as google.rpc.Status, for results of batches. */
export const OK_STATUS: Status = { code: status.OK, message: '', details: [] };

/** An error as grpc-js sends it, its details in `grpc-status-details-bin`. */
export function toServiceError(error: AppError, domain: string): Partial<ServiceError> {
  const metadata = new Metadata();
  metadata.set('grpc-status-details-bin', Buffer.from(Status.encode(toRpcStatus(error, domain)).finish()));
  return { code: error.status, details: error.message, metadata };
}

/** Parts of a google.rpc.Status that a reader looks at. */
export function readRpcStatus(rpcStatus: Status): { info: ErrorInfo | undefined; badRequest: BadRequest | undefined } {
  const find = (name: string) => rpcStatus.details.find((any) => any.typeUrl === TYPE + name)?.value;
  const info = find('ErrorInfo');
  const badRequest = find('BadRequest');
  return { info: info && ErrorInfo.decode(info), badRequest: badRequest && BadRequest.decode(badRequest) };
}

function detail(name: string, value: Uint8Array): Any {
  return { typeUrl: TYPE + name, value: Buffer.from(value) };
}
