import { Metadata, type StatusObject, status } from '@grpc/grpc-js';
import { toDuration } from '@tpc/core';
import type { Any } from '@tpc/gen/google/protobuf/any';
import { BadRequest, ErrorInfo, RetryInfo } from '@tpc/gen/google/rpc/error_details';
import { Status } from '@tpc/gen/google/rpc/status';
import type { AppError } from '../errors.ts';

/** Details travel in trailers, whose size is bounded (8 KiB by default in many clients): more violations, and longer texts, are cut. */
const MAX_VIOLATIONS = 16;
const MAX_TEXT_LENGTH = 512;
/** Before base64, which adds a third. */
const MAX_DETAILS_BYTES = 4_096;
const TYPE = 'type.googleapis.com/google.rpc.';

/** An error as google.rpc.Status with ErrorInfo, BadRequest and RetryInfo (AIP-193); also the per-item form of batches. */
export function toRpcStatus(error: AppError, domain: string, maxViolations = MAX_VIOLATIONS): Status {
  const named = error.reasonName === error.reason ? error.metadata : { ...error.metadata, name: error.reasonName };
  const metadata = Object.fromEntries(Object.entries(named).map(([name, value]) => [name, fit(value)]));
  const details: Any[] = [detail('ErrorInfo', ErrorInfo.encode({ reason: error.reason, domain, metadata }).finish())];
  const fieldViolations = error.violations
    .slice(0, maxViolations)
    .map(({ field, description, reason }) => ({ field: fit(field), description: fit(description), reason, localizedMessage: undefined }));
  if (fieldViolations.length > 0) details.push(detail('BadRequest', BadRequest.encode({ fieldViolations }).finish()));
  if (error.retryAfterMs !== undefined) {
    details.push(detail('RetryInfo', RetryInfo.encode({ retryDelay: toDuration(error.retryAfterMs) }).finish()));
  }
  return { code: error.status, message: fit(error.message), details };
}

/** OK as google.rpc.Status, for results of batches. */
export const OK_STATUS: Status = { code: status.OK, message: '', details: [] };

/**
 * An error as grpc-js sends it, its details in `grpc-status-details-bin`. Texts may repeat what a caller has sent, and are made fit for a header: grpc-js
 * throws at half of a surrogate pair, which a cut can leave, and a header that is too long breaks the caller's connection with all of its calls.
 */
export function toServiceError(error: AppError, domain: string): StatusObject {
  const metadata = new Metadata();
  metadata.set('grpc-status-details-bin', encodeBounded(error, domain));
  return { code: error.status, details: fit(error.message), metadata };
}

/** Tells fewer violations where they are too long together. */
function encodeBounded(error: AppError, domain: string, maxViolations = MAX_VIOLATIONS): Buffer {
  const bytes = Buffer.from(Status.encode(toRpcStatus(error, domain, maxViolations)).finish());
  if (bytes.length <= MAX_DETAILS_BYTES || maxViolations === 0) return bytes;
  return encodeBounded(error, domain, Math.floor(maxViolations / 2));
}

function fit(text: string): string {
  return (text.length <= MAX_TEXT_LENGTH ? text : `${text.slice(0, MAX_TEXT_LENGTH - 1)}…`).toWellFormed();
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
