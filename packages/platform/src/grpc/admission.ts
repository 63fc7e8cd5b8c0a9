import { type Metadata, ServerInterceptingCall, type ServerInterceptingCallInterface, type ServerInterceptor, status } from '@grpc/grpc-js';
import { type AuthenticatedCall, type Authenticator, OPEN_AUTHENTICATOR } from '../auth/authenticator.ts';
import { credentialsOf, endConnection } from '../auth/credentials.ts';
import { isAuthError } from '../auth/reasons.ts';
import { type AppError, toAppError } from '../errors.ts';
import type { NoteCall } from '../telemetry/metrics-parts.ts';
import { OpenStreams } from './open-streams.ts';
import { toServiceError } from './status-details.ts';

/** Tells of a call that was refused by the rules of who may. */
export type OnRefused = (event: { reason: string; method: string; peer: string; caller: string }) => void;

export type AdmissionOptions = {
  domain: string;
  authenticator: Authenticator;
  /** Paths of methods that everybody may call. */
  openTo: ReadonlySet<string>;
  onRefused: OnRefused;
  onAnswered: NoteCall;
  /** Streams of one method that may be open at once. Default: that of OpenStreams. */
  maxOpenStreams?: number;
};

export type Admission = {
  /** Decides about a call when its headers are there, before anything of its request is read. */
  interceptor: ServerInterceptor;
  /** The authenticated of a call that was let in, by the metadata that its handler sees. @throws Error for a call that has not come through here */
  authenticatedCallOf(metadata: Metadata): AuthenticatedCall;
};

/**
 * The one way in for every call of a server. A stranger's request is not read: it costs no memory, no decoding and no span. A call that ends in any way
 * leaves here, whether its handler was called or not.
 */
export function createAdmission(options: AdmissionOptions): Admission {
  const { authenticator, openTo, domain } = options;
  const authenticatedCalls = new WeakMap<Metadata, AuthenticatedCall>();
  const streams = new OpenStreams(options.maxOpenStreams);
  const enter = (path: string, stream: boolean, metadata: Metadata, call: ServerInterceptingCallInterface): AuthenticatedCall => {
    const authenticated = (openTo.has(path) ? OPEN_AUTHENTICATOR : authenticator).enter(credentialsOf(metadata, call));
    if (!stream) return authenticated;
    try {
      const leaveStream = streams.open(path, call.getPeer(), (error) => call.sendStatus(toServiceError(error, domain)));
      const leave = () => {
        authenticated.leave();
        leaveStream();
      };
      return { ...authenticated, leave };
    } catch (error) {
      authenticated.leave();
      throw error;
    }
  };
  const interceptor: ServerInterceptor = ({ path, requestStream, responseStream }, call) => {
    let authenticated: AuthenticatedCall | undefined;
    const leave = () => {
      authenticated?.leave();
      authenticated = undefined;
    };
    const onReceiveMetadata = (metadata: Metadata, next: (metadata: Metadata) => void) => {
      try {
        authenticated = enter(path, requestStream || responseStream, metadata, call);
      } catch (error) {
        return refuse(path, call, toAppError(error), options);
      }
      authenticatedCalls.set(metadata, authenticated);
      next(metadata);
    };
    return new ServerInterceptingCall(call, { start: (next) => next({ onReceiveMetadata, onCancel: leave }) });
  };
  return {
    interceptor,
    authenticatedCallOf: (metadata) => {
      const authenticated = authenticatedCalls.get(metadata);
      if (authenticated === undefined) throw new Error('a call has reached its handler without admission');
      return authenticated;
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
