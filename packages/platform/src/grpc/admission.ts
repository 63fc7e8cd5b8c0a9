import { type Metadata, ServerInterceptingCall, type ServerInterceptingCallInterface, type ServerInterceptor, status } from '@grpc/grpc-js';
import { type Gate, OPEN_GATE, type Visit } from '../auth/gate.ts';
import { endConnection, proofOf } from '../auth/peer.ts';
import { isAuthError } from '../auth/reasons.ts';
import { AppError, toAppError } from '../errors.ts';
import type { NoteCall } from '../telemetry/metrics-parts.ts';
import { toServiceError } from './status-details.ts';

/** Tells of a call that was refused by the rules of who may. */
export type OnRefused = (event: { reason: string; method: string; peer: string; caller: string }) => void;

/** Streams of one method that are open at once in this process; more are refused. They may stay open for as long as their connection. */
const MAX_OPEN_STREAMS = 1_000;

export type AdmissionOptions = {
  domain: string;
  gate: Gate;
  /** Paths of methods that everybody may call. */
  openTo: ReadonlySet<string>;
  onRefused: OnRefused;
  onAnswered: NoteCall;
  /** Default: MAX_OPEN_STREAMS. */
  maxOpenStreams?: number;
};

export type Admission = {
  /** Decides about a call when its headers are there, before anything of its request is read. */
  interceptor: ServerInterceptor;
  /** The visit of a call that was let in, by the metadata that its handler sees. @throws Error for a call that has not come through here */
  visitOf(metadata: Metadata): Visit;
};

/**
 * The one way in for every call of a server. A stranger's request is not read: it costs no memory, no decoding and no span. A call that ends in any way
 * leaves here, whether its handler was called or not.
 */
export function createAdmission(options: AdmissionOptions): Admission {
  const { gate, openTo, maxOpenStreams = MAX_OPEN_STREAMS } = options;
  const visits = new WeakMap<Metadata, Visit>();
  const openStreams = new Map<string, number>();
  const enter = (path: string, stream: boolean, metadata: Metadata, call: ServerInterceptingCallInterface): Visit => {
    const proof = proofOf(metadata, call);
    const visit = (openTo.has(path) ? OPEN_GATE : gate).enter(proof);
    if (!stream) return visit;
    const open = openStreams.get(path) ?? 0;
    if (open >= maxOpenStreams) {
      visit.leave();
      throw tooManyStreams(maxOpenStreams);
    }
    openStreams.set(path, open + 1);
    const leave = () => {
      visit.leave();
      openStreams.set(path, (openStreams.get(path) ?? 1) - 1);
    };
    return { ...visit, leave };
  };
  const interceptor: ServerInterceptor = ({ path, requestStream, responseStream }, call) => {
    let visit: Visit | undefined;
    const leave = () => {
      visit?.leave();
      visit = undefined;
    };
    const onReceiveMetadata = (metadata: Metadata, next: (metadata: Metadata) => void) => {
      try {
        visit = enter(path, requestStream || responseStream, metadata, call);
      } catch (error) {
        return refuse(path, call, toAppError(error), options);
      }
      visits.set(metadata, visit);
      next(metadata);
    };
    return new ServerInterceptingCall(call, { start: (next) => next({ onReceiveMetadata, onCancel: leave }) });
  };
  return {
    interceptor,
    visitOf: (metadata) => {
      const visit = visits.get(metadata);
      if (visit === undefined) throw new Error('a call has reached its handler without admission');
      return visit;
    },
  };
}

function refuse(path: string, call: ServerInterceptingCallInterface, error: AppError, { domain, onRefused, onAnswered }: AdmissionOptions): void {
  call.sendStatus(toServiceError(error, domain));
  onAnswered(path.slice(1), status[error.status], 0);
  if (!isAuthError(error)) return;
  onRefused({ reason: error.reason, method: methodOf(path), peer: call.getPeer(), caller: error.metadata.cause ?? '' });
  if (error.reason === 'CERTIFICATE_REFUSED') endConnection(call);
}

/** Named as handlers are: `sendMessage`. */
function methodOf(path: string): string {
  const name = path.slice(path.lastIndexOf('/') + 1);
  return name.charAt(0).toLowerCase() + name.slice(1);
}

function tooManyStreams(limit: number): AppError {
  return new AppError({
    status: status.RESOURCE_EXHAUSTED,
    reason: 'TOO_MANY_STREAMS',
    message: `${limit} calls of this method are open already; no more are taken at once.`,
    metadata: { limit: String(limit) },
  });
}
