import { createPrivateKey, X509Certificate } from 'node:crypto';
import { createSecureContext, type SecureContextOptions } from 'node:tls';
import { ServerCredentials } from '@grpc/grpc-js';

/** PEM texts of a server. */
export type TlsMaterial = { cert: string; key: string; clientCa: string | undefined };

/**
 * Server credentials whose certificate can be replaced while the server runs. With a client CA, a certificate is asked for, but the handshake refuses
 * nobody: the authenticator does, so that the client learns the reason instead of a closed connection, and probes can still ask for the health.
 */
export class ReplaceableServerCredentials extends ServerCredentials {
  constructor(material: TlsMaterial) {
    super({ requestCert: material.clientCa !== undefined, rejectUnauthorized: false, minVersion: 'TLSv1.2' }, contextOf(material));
  }

  /** New connections see it. */
  replace(material: TlsMaterial): void {
    this.updateSecureContextOptions(contextOf(material));
  }

  override _equals(other: ServerCredentials): boolean {
    return this === other;
  }
}

function contextOf({ cert, key, clientCa }: TlsMaterial): SecureContextOptions {
  return { cert, key, minVersion: 'TLSv1.2', ...(clientCa === undefined ? {} : { ca: clientCa }) };
}

/**
 * Looks whether certificate, key and CA can be used together.
 * @returns when the certificate expires
 * @throws Error with what is wrong; never with a part of the key
 */
export function checkMaterial(material: TlsMaterial): Date {
  const certificate = attempt('the certificate is not in PEM form', () => new X509Certificate(material.cert));
  const key = attempt('the key is not in PEM form, or has a password', () => createPrivateKey(material.key));
  if (!certificate.checkPrivateKey(key)) throw new Error('the key is not that of the certificate');
  if (material.clientCa !== undefined) attempt('the client CA is not in PEM form', () => new X509Certificate(material.clientCa as string));
  attempt('certificate and key cannot be used', () => createSecureContext(contextOf(material)));
  return new Date(certificate.validTo);
}

function attempt<T>(problem: string, work: () => T): T {
  try {
    return work();
  } catch (cause) {
    throw new Error(problem, { cause });
  }
}
