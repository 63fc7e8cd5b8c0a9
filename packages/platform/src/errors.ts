import { status } from '@grpc/grpc-js';

/** One bad field of a request. */
export type FieldViolation = {
  /** Path of the field in the request, as in the .proto file: `message.topic`. */
  field: string;
  /** What is wrong, for people. */
  description: string;
  /** Code of the rule, for programs. */
  reason: string;
};

export type AppErrorOptions = {
  status: status;
  /** Code for programs; never changes once released. `[A-Z][A-Z0-9_]+`. */
  reason: string;
  /** Speaking name of a numeric code, for example MESSAGE_NOT_FOUND for TPC10050002. */
  name?: string;
  message: string;
  violations?: readonly FieldViolation[];
  /** Variables of the message; travel in ErrorInfo.metadata. */
  metadata?: Readonly<Record<string, string>>;
  /** Set where trying again after this time can help, milliseconds. */
  retryAfterMs?: number;
  cause?: unknown;
};

/** An error with a meaning. Everything but `cause` goes over the wire; `cause` is logged. */
export class AppError extends Error {
  readonly status: status;
  readonly reason: string;
  readonly reasonName: string;
  readonly violations: readonly FieldViolation[];
  readonly metadata: Readonly<Record<string, string>>;
  readonly retryAfterMs: number | undefined;

  constructor(options: AppErrorOptions) {
    super(options.message, { cause: options.cause });
    this.name = 'AppError';
    this.status = options.status;
    this.reason = options.reason;
    this.reasonName = options.name ?? options.reason;
    this.violations = options.violations ?? [];
    this.metadata = options.metadata ?? {};
    this.retryAfterMs = options.retryAfterMs;
  }
}

/** The only converter of unknown errors: what is not an AppError becomes INTERNAL without details of the inside. */
export function toAppError(error: unknown): AppError {
  if (error instanceof AppError) return error;
  return new AppError({
    status: status.INTERNAL,
    reason: 'INTERNAL',
    message: 'An unexpected error; the server has logged it.',
    cause: error,
  });
}

/** A database lacks migrations that another is to make: waiting helps. */
export class SchemaBehind extends Error {
  /** @param lacking names of the migrations */
  constructor(setting: string, lacking: readonly string[]) {
    super(`the database of ${setting} lacks ${lacking.join(', ')}`);
    this.name = 'SchemaBehind';
  }
}

/** A server that speaks a database's protocol and lacks what the services need of it. */
export class UnsuitableDatabase extends Error {
  /** What is wrong, one line for each. */
  readonly lines: readonly string[];

  constructor(...lines: readonly string[]) {
    super(lines.join('; '));
    this.lines = lines;
    this.name = 'UnsuitableDatabase';
  }
}

/** A service cannot start for a reason that a person can mend. Its message is one line that names the setting or thing. */
export class StartError extends Error {
  constructor(message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'StartError';
  }
}
