import type { PeerCertificate, TLSSocket } from 'node:tls';
import type { Metadata, ServerInterceptingCallInterface } from '@grpc/grpc-js';
import { hashToken } from './tokens.ts';

/** What a caller shows of itself. The token itself is forgotten at once. */
export type Credentials = {
  token: 'none' | 'malformed' | Buffer;
  certificate: ClientCertificate;
  /** The caller's address and port. */
  peer: string;
};

/** A client certificate, seen by the TLS layer; without mTLS it is `none`. */
export type ClientCertificate = { state: 'none' } | { state: 'refused'; cause: string } | { state: 'accepted'; subjects: string[]; validTo: number };

/** A token as RFC 6750 writes it (b64token), of a length that ours have. */
const BEARER = /^Bearer +([A-Za-z0-9._~+/-]{1,512}=*)$/i;

/** Reads token and certificate of a call, and takes the token out of its metadata, so that nobody behind can log it. */
export function credentialsOf(metadata: Metadata, call: ServerInterceptingCallInterface): Credentials {
  const given = metadata.get('authorization');
  metadata.remove('authorization');
  return { token: tokenOf(given), certificate: certificateOf(call), peer: call.getPeer() };
}

/** Exported for tests: given more than once, or in another form, is malformed. */
export function tokenOf(given: readonly (string | Buffer)[]): Credentials['token'] {
  if (given.length === 0) return 'none';
  const token = given.length === 1 ? BEARER.exec(String(given[0]))?.[1] : undefined;
  return token === undefined ? 'malformed' : hashToken(token);
}

/** Reading a certificate is costly, and it is the same for all calls of a connection. */
const seen = new WeakMap<TLSSocket, ClientCertificate>();

function certificateOf(call: ServerInterceptingCallInterface): ClientCertificate {
  const socket = streamOf(call)?.session?.socket as TLSSocket | undefined;
  if (!socket?.encrypted) return { state: 'none' };
  const known = seen.get(socket);
  if (known) return known;
  const certificate = readCertificate(socket);
  seen.set(socket, certificate);
  return certificate;
}

function readCertificate(socket: TLSSocket): ClientCertificate {
  const certificate = socket.getPeerCertificate();
  if (!certificate?.raw) return { state: 'none' };
  if (!socket.authorized) return { state: 'refused', cause: causeOf(String(socket.authorizationError)) };
  return { state: 'accepted', subjects: subjectsOf(certificate), validTo: Date.parse(certificate.valid_to) };
}

const CAUSES: Readonly<Record<string, string>> = {
  CERT_HAS_EXPIRED: 'it has expired',
  CERT_NOT_YET_VALID: 'it is not valid yet',
  UNABLE_TO_GET_ISSUER_CERT: 'it is of a CA that this server does not know',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'it is of a CA that this server does not know',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'it is of a CA that this server does not know',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'it is signed by itself',
  SELF_SIGNED_CERT_IN_CHAIN: 'it is of a CA that this server does not know',
  CERT_SIGNATURE_FAILURE: 'its signature is wrong',
  INVALID_PURPOSE: 'it is not made for clients',
};

function causeOf(code: string): string {
  return CAUSES[code] ?? code;
}

/** `CN=…`, when there is exactly one, and a `URI=…` for each URI among the alternative names. */
export function subjectsOf({ subject, subjectaltname }: Pick<PeerCertificate, 'subject' | 'subjectaltname'>): string[] {
  const commonName: unknown = subject?.CN;
  const uris = alternativeNames(subjectaltname ?? '').filter((name) => name.startsWith('URI:'));
  return [...(typeof commonName === 'string' ? [`CN=${commonName}`] : []), ...uris.map((name) => `URI=${name.slice('URI:'.length)}`)];
}

/**
 * Names of `DNS:a, URI:b`. A name with a comma or quote stands in JSON's quotes behind its type (Node's answer to CVE-2021-44532); such names are of
 * nobody's making, and are left out.
 */
function alternativeNames(text: string): string[] {
  const names = text.match(/[A-Za-z ]+:(?:"(?:[^"\\]|\\.)*"|[^,"]*)(?:, |$)/g) ?? [];
  return names.map((name) => name.replace(/, $/, '')).filter((name) => !name.includes('"'));
}

/** The HTTP/2 stream of a call. */
type Stream = { session?: { socket?: unknown; close?: () => void } };

/**
 * grpc-js shows only the certificate of accepted clients, and not why one was not accepted: hence this look inside. When a later version keeps it
 * elsewhere, no certificate is found and every call is refused.
 */
function streamOf(call: ServerInterceptingCallInterface): Stream | undefined {
  return (call as unknown as { stream?: Stream }).stream;
}

/** Lets a connection end once its calls are answered: the client then makes a new one, with the certificate that it has by now. */
export function endConnection(call: ServerInterceptingCallInterface): void {
  streamOf(call)?.session?.close?.();
}
