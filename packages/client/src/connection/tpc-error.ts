import { status as grpcStatus, type ServiceError } from '@grpc/grpc-js';
import { durationMs } from '@tpc/core';
import { BadRequest, ErrorInfo, RetryInfo } from '@tpc/gen/google/rpc/error_details';
import { Status } from '@tpc/gen/google/rpc/status';

/** Name of a gRPC status, for example 'FAILED_PRECONDITION'. */
export type StatusName = keyof typeof grpcStatus;

export type TpcErrorFields = {
  status: StatusName;
  /** Reason code of TPC for programs, for example 'TPC100500010'; empty when the answer did not come from TPC. */
  reason: string;
  /** First field that was found bad, as a path in the request; empty when none was named. */
  field: string;
  /** Variables of the reason; `name` is the reason in words, for example 'NO_SUBSCRIBER'. */
  metadata: Readonly<Record<string, string>>;
  /** How long TPC asks to wait before another try, milliseconds; undefined when it does not say. */
  retryAfterMs: number | undefined;
  /** It is the status of one item of a batch that was answered. Default: false. */
  ofItem?: boolean;
};

const UNAVAILABLE: readonly StatusName[] = ['UNAVAILABLE', 'DEADLINE_EXCEEDED', 'CANCELLED', 'INTERNAL', 'UNKNOWN', 'DATA_LOSS'];
/** Longest wait that is taken from an answer, milliseconds. */
export const MAX_RETRY_AFTER_MS = 3_600_000;
const RETRYABLE: readonly StatusName[] = ['RESOURCE_EXHAUSTED', 'ABORTED'];

/** What TPC, or the way to it, answered instead of a result. The one error class of the connection. */
export class TpcError extends Error implements TpcErrorFields {
  readonly status: StatusName;
  readonly reason: string;
  readonly field: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly retryAfterMs: number | undefined;
  readonly ofItem: boolean;

  constructor(message: string, fields: TpcErrorFields, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'TpcError';
    this.status = fields.status;
    this.reason = fields.reason;
    this.field = fields.field;
    this.metadata = fields.metadata;
    this.retryAfterMs = fields.retryAfterMs;
    this.ofItem = fields.ofItem ?? false;
  }

  /** No answer from TPC about the request itself: it is away, too slow, or broken. What was asked for may have been done. */
  get unavailable(): boolean {
    return UNAVAILABLE.includes(this.status);
  }

  /** TPC, or the way to it, is away. The status of an item never says so: TPC has answered the call. */
  get saysAway(): boolean {
    return this.unavailable && !this.ofItem;
  }

  /** The same request may succeed later. */
  get retryable(): boolean {
    return this.unavailable || RETRYABLE.includes(this.status) || this.retryAfterMs !== undefined;
  }

  /** True when the reason code, or its name in the metadata, is `reason`. */
  is(reason: string): boolean {
    return this.reason === reason || this.metadata.name === reason;
  }
}

/** Reads the status of one item of a batch. An absent one is no consent: it is UNKNOWN. @returns undefined when it is OK */
export function errorOfItem(item: Status | undefined): TpcError | undefined {
  if (item === undefined) return new TpcError('TPC gave no status for an item', { ...plain('UNKNOWN'), ofItem: true });
  return item.code === grpcStatus.OK ? undefined : fromStatus(item, { ofItem: true });
}

/**
 * Reads an error of grpc-js, with the details in its trailers. Anything else becomes UNKNOWN with its cause.
 * @param proxy variable of the environment whose proxy stands in between; an error without details, which is no answer of TPC, names it
 */
export function toTpcError(error: unknown, proxy?: string): TpcError {
  if (error instanceof TpcError) return error;
  const { code, details, metadata } = error as Partial<ServiceError>;
  if (typeof code !== 'number') return new TpcError(String((error as Error)?.message ?? error), plain('UNKNOWN'), error);
  const [bytes] = metadata?.get('grpc-status-details-bin') ?? [];
  if (Buffer.isBuffer(bytes)) {
    const decoded = decodeStatus(bytes);
    if (decoded !== undefined) return fromStatus(decoded, { cause: error });
  }
  const words = details || statusName(code);
  return new TpcError(proxy === undefined ? words : `${words} (through the proxy that ${proxy} names)`, plain(statusName(code)), error);
}

function fromStatus(status: Status, { ofItem = false, cause }: { ofItem?: boolean; cause?: unknown }): TpcError {
  const fields = { ...plain(statusName(status.code)), ofItem };
  for (const { typeUrl, value } of status.details) {
    if (typeUrl.endsWith('/google.rpc.ErrorInfo')) {
      const info = ErrorInfo.decode(value);
      fields.reason = info.reason;
      fields.metadata = info.metadata;
    } else if (typeUrl.endsWith('/google.rpc.BadRequest')) fields.field = BadRequest.decode(value).fieldViolations[0]?.field ?? '';
    else if (typeUrl.endsWith('/google.rpc.RetryInfo')) {
      const delay = RetryInfo.decode(value).retryDelay;
      if (delay !== undefined) fields.retryAfterMs = sensibleWait(Math.ceil(durationMs(delay)));
    }
  }
  return new TpcError(status.message || fields.status, fields, cause);
}

/** A message must come again, and a timer take it, whatever was answered. */
function sensibleWait(ms: number): number {
  return Math.min(MAX_RETRY_AFTER_MS, Math.max(0, ms));
}

/** Details that cannot be read must not hide the error that they belong to. */
function decodeStatus(bytes: Buffer): Status | undefined {
  try {
    return Status.decode(bytes);
  } catch {
    return undefined;
  }
}

function plain(status: StatusName): TpcErrorFields {
  return { status, reason: '', field: '', metadata: {}, retryAfterMs: undefined };
}

function statusName(code: number): StatusName {
  return (grpcStatus[code] as StatusName | undefined) ?? 'UNKNOWN';
}
