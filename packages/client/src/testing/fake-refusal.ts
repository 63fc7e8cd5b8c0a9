import { status as grpcStatus, Metadata, type ServiceError } from '@grpc/grpc-js';
import { BadRequest, ErrorInfo } from '@tpc/gen/google/rpc/error_details';
import { Status } from '@tpc/gen/google/rpc/status';
import type { StatusName } from '../connection/tpc-error.ts';

/** An error that the fake answers, for a whole call or for one item of a batch; on the wire as TPC's own. */
export class FakeRefusal extends Error {
  readonly status: StatusName;
  readonly reason: string;
  readonly field: string;

  constructor(status: StatusName, reason = '', message = reason, field = '') {
    super(message || status);
    this.name = 'FakeRefusal';
    this.status = status;
    this.reason = reason;
    this.field = field;
  }

  toStatus(): Status {
    const details = [];
    if (this.reason !== '') {
      const info = ErrorInfo.encode({ reason: this.reason, domain: 'tpc', metadata: {} }).finish();
      details.push({ typeUrl: 'type.googleapis.com/google.rpc.ErrorInfo', value: Buffer.from(info) });
    }
    if (this.field !== '') {
      const violation = { field: this.field, description: this.message, reason: '', localizedMessage: undefined };
      const bad = BadRequest.encode({ fieldViolations: [violation] }).finish();
      details.push({ typeUrl: 'type.googleapis.com/google.rpc.BadRequest', value: Buffer.from(bad) });
    }
    return { code: grpcStatus[this.status], message: this.message, details };
  }

  toServiceError(): ServiceError {
    const metadata = new Metadata();
    metadata.set('grpc-status-details-bin', Buffer.from(Status.encode(this.toStatus()).finish()));
    return Object.assign(new Error(this.message), { code: grpcStatus[this.status], details: this.message, metadata });
  }
}
