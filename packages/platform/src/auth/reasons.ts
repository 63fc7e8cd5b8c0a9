import { status } from '@grpc/grpc-js';
import { AppError } from '../errors.ts';

export type AuthReasonEntry = {
  code: string;
  status: 'UNAUTHENTICATED' | 'PERMISSION_DENIED';
  /** For people; `{…}` are variables, which also travel as metadata. */
  message: string;
  /** What to do about it, for docs. */
  action: string;
};

/** Why a gRPC server of the product does not let a caller do something; docs/errors.md lists them under "Every service". */
export const AUTH_REASONS = {
  TOKEN_MISSING: {
    code: 'TOKEN_MISSING',
    status: 'UNAUTHENTICATED',
    message: 'The call has no access token: send it as metadata "authorization: Bearer <token>".',
    action: 'Get a token from the operator (`npm run tokens -- new …`) and send it with every call.',
  },
  TOKEN_MALFORMED: {
    code: 'TOKEN_MALFORMED',
    status: 'UNAUTHENTICATED',
    message: 'The metadata "authorization" must be given once, as "Bearer <token>".',
    action: 'Correct the form of the metadata.',
  },
  TOKEN_UNKNOWN: {
    code: 'TOKEN_UNKNOWN',
    status: 'UNAUTHENTICATED',
    message: 'The access token is not known, or was removed.',
    action: 'Take the newest token of your group; ask the operator for one.',
  },
  TOKEN_EXPIRED: {
    code: 'TOKEN_EXPIRED',
    status: 'UNAUTHENTICATED',
    message: 'The access expired at {expires}.',
    action: 'Take the newest token of your group; ask the operator for one.',
  },
  CERTIFICATE_REFUSED: {
    code: 'CERTIFICATE_REFUSED',
    status: 'UNAUTHENTICATED',
    message: 'The client certificate is not accepted: {cause}.',
    action: 'Present a valid certificate of the CA in TLS_CLIENT_CA_FILE of the server.',
  },
  CERTIFICATE_UNKNOWN: {
    code: 'CERTIFICATE_UNKNOWN',
    status: 'UNAUTHENTICATED',
    message: 'The client certificate ({subject}) is given no group or role, and the call has no token.',
    action: 'Let the operator add an entry with this subject, or send a token as well.',
  },
  GROUP_FOREIGN: {
    code: 'GROUP_FOREIGN',
    status: 'PERMISSION_DENIED',
    message: 'The caller ({caller}) may not speak for the {kind} group of the request.',
    action: 'Each group speaks for itself only: use the token of the group, or name your own group.',
  },
  ROLE_NEEDED: {
    code: 'ROLE_NEEDED',
    status: 'PERMISSION_DENIED',
    message: 'The caller ({caller}) may not make this call: it needs {needed}.',
    action: 'Use a token with the role.',
  },
} as const satisfies Record<string, AuthReasonEntry>;

export type AuthReason = keyof typeof AUTH_REASONS;

/** The refusal of a call for one of these reasons. */
export function authError(name: AuthReason, metadata: Readonly<Record<string, string>> = {}): AppError {
  const { code, status: statusName, message } = AUTH_REASONS[name];
  const text = message.replace(/\{(\w+)\}/g, (whole, variable: string) => metadata[variable] ?? whole);
  return new AppError({ status: status[statusName], reason: code, message: text, metadata });
}

/** Whether an error is a refusal by the rules of who may. */
export function isAuthError(error: AppError): boolean {
  return Object.hasOwn(AUTH_REASONS, error.reason);
}
