import { type Caller, describeCaller } from './caller.ts';
import type { Credentials } from './credentials.ts';
import { authError } from './reasons.ts';
import type { KnownEntry, TokenTable } from './tokens.ts';

/** A call that was let in. */
export type AuthenticatedCall = {
  caller: Caller;
  /** Aborted, with an AppError as its reason, when the caller loses during the call what it was let in for. */
  ended: AbortSignal;
  leave(): void;
};

/** Decides who calls. One for a server. */
export type Authenticator = {
  /** Nothing is configured: everybody comes in, as `anyone`. */
  readonly open: boolean;
  /** @throws AppError UNAUTHENTICATED */
  enter(credentials: Credentials): AuthenticatedCall;
  /** Takes other tokens, from now on and for the calls that are inside. */
  replace(table: TokenTable): void;
  /** Looks whether everyone inside may still be there (what expires, expires by and by). */
  recheck(): void;
};

const ANYONE: AuthenticatedCall = { caller: { kind: 'anyone' }, ended: new AbortController().signal, leave: () => undefined };

/** The authenticator when no tokens are configured. */
export const OPEN_AUTHENTICATOR: Authenticator = { open: true, enter: () => ANYONE, replace: () => undefined, recheck: () => undefined };

export type AuthenticatorOptions = {
  table: TokenTable;
  /** mTLS: who has no accepted certificate stays outside, with a token too. */
  certificateRequired: boolean;
  now?: () => number;
};

type Inside = { credentials: Credentials; caller: string; ending: AbortController };

export function createAuthenticator({ table: firstTable, certificateRequired, now = Date.now }: AuthenticatorOptions): Authenticator {
  let table = firstTable;
  const inside = new Set<Inside>();
  const authenticate = (credentials: Credentials): Caller => {
    const { token, certificate } = credentials;
    if (certificateRequired) refuseCertificate(certificate, now());
    if (token === 'malformed') throw authError('TOKEN_MALFORMED');
    // A token that is sent decides alone, so that nobody has more rights than the one that was meant.
    if (token !== 'none') return callerIfValid(table.byHash(token), now());
    if (certificate.state !== 'accepted' || !certificateRequired) throw authError('TOKEN_MISSING');
    const known = table.bySubject(certificate.subjects);
    if (!known) throw authError('CERTIFICATE_UNKNOWN', { subject: certificate.subjects.join(', ') || 'without a subject' });
    return callerIfValid(known, now());
  };
  const recheck = () => {
    for (const one of inside) {
      try {
        if (describeCaller(authenticate(one.credentials)) !== one.caller) one.ending.abort(authError('TOKEN_UNKNOWN'));
      } catch (refusal) {
        one.ending.abort(refusal);
      }
    }
  };
  return {
    open: false,
    enter(credentials) {
      const caller = authenticate(credentials);
      const one: Inside = { credentials, caller: describeCaller(caller), ending: new AbortController() };
      inside.add(one);
      return { caller, ended: one.ending.signal, leave: () => void inside.delete(one) };
    },
    replace(next) {
      table = next;
      recheck();
    },
    recheck,
  };
}

function refuseCertificate(certificate: Credentials['certificate'], now: number): void {
  if (certificate.state === 'none') throw authError('CERTIFICATE_REFUSED', { cause: 'none was sent' });
  if (certificate.state === 'refused') throw authError('CERTIFICATE_REFUSED', { cause: certificate.cause });
  // It was good when the connection was made; that may be long ago.
  if (!(certificate.validTo > now)) throw authError('CERTIFICATE_REFUSED', { cause: 'it has expired' });
}

function callerIfValid(entry: KnownEntry | undefined, now: number): Caller {
  if (!entry) throw authError('TOKEN_UNKNOWN');
  if (entry.expiresAt <= now) throw authError('TOKEN_EXPIRED', { expires: entry.expires });
  return entry.caller;
}
