/**
 * X.509 certificates for tests, made in memory: a CA, and certificates of it with any names and any life, also one that is over. Only as much DER as
 * that takes (RFC 5280), with P-256 keys.
 */
import { createHash, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';

export type CertificateOptions = {
  commonName: string;
  /** Default: an hour ago. */
  notBefore?: Date;
  /** Default: in a day. */
  notAfter?: Date;
  dns?: readonly string[];
  uris?: readonly string[];
  /** As four numbers; default none. */
  ips?: readonly string[];
};

/** PEM texts. */
export type Certificate = { cert: string; key: string };

export type TestCa = {
  cert: string;
  issue(options: CertificateOptions): Certificate;
  /** A certificate that names this CA as its issuer, by name and key id, but is not signed by it. */
  forge(options: CertificateOptions): Certificate;
};

const HOUR_MS = 3_600_000;

const tlv = (tag: number, ...parts: Uint8Array[]): Buffer => {
  const content = Buffer.concat(parts);
  const length =
    content.length < 128 ? [content.length] : content.length < 256 ? [0x81, content.length] : [0x82, content.length >> 8, content.length & 255];
  return Buffer.concat([Buffer.from([tag, ...length]), content]);
};
const sequence = (...parts: Uint8Array[]) => tlv(0x30, ...parts);
const oid = (hex: string) => tlv(0x06, Buffer.from(hex, 'hex'));
const utf8 = (text: string) => tlv(0x0c, Buffer.from(text));
const octets = (content: Uint8Array) => tlv(0x04, content);
const bits = (content: Uint8Array) => tlv(0x03, Buffer.from([0]), content);
const generalizedTime = (at: Date) =>
  tlv(
    0x18,
    Buffer.from(
      at
        .toISOString()
        .replace(/[-:T]/g, '')
        .replace(/\.\d+Z$/, 'Z'),
    ),
  );

const ECDSA_SHA256 = sequence(oid('2a8648ce3d040302'));
const TRUE = tlv(0x01, Buffer.from([0xff]));
const name = (commonName: string) => sequence(tlv(0x31, sequence(oid('550403'), utf8(commonName))));
const extension = (id: string, critical: boolean, value: Uint8Array) => sequence(oid(id), ...(critical ? [TRUE] : []), octets(value));

function alternativeNames({ dns = [], uris = [], ips = [] }: CertificateOptions): Buffer[] {
  const names = [
    ...dns.map((text) => tlv(0x82, Buffer.from(text))),
    ...uris.map((text) => tlv(0x86, Buffer.from(text))),
    ...ips.map((ip) => tlv(0x87, Buffer.from(ip.split('.').map(Number)))),
  ];
  return names.length === 0 ? [] : [extension('551d11', false, sequence(...names))];
}

/** The key id by which OpenSSL finds the issuer among CAs of one name. */
const keyId = (key: KeyObject) =>
  createHash('sha1')
    .update(key.export({ type: 'spki', format: 'der' }))
    .digest();

type Issuer = { name: string; key: KeyObject; publicKey: KeyObject };

function certificate(options: CertificateOptions & { isCa: boolean }, publicKey: KeyObject, issuer: Issuer): string {
  const { notBefore = new Date(Date.now() - HOUR_MS), notAfter = new Date(Date.now() + 24 * HOUR_MS) } = options;
  const constraints = extension('551d13', true, sequence(...(options.isCa ? [TRUE] : [])));
  const keyIds = [extension('551d0e', false, octets(keyId(publicKey))), extension('551d23', false, sequence(tlv(0x80, keyId(issuer.publicKey))))];
  const body = sequence(
    tlv(0xa0, tlv(0x02, Buffer.from([2]))),
    tlv(0x02, Buffer.concat([Buffer.from([1]), randomBytes(8)])),
    ECDSA_SHA256,
    name(issuer.name),
    sequence(generalizedTime(notBefore), generalizedTime(notAfter)),
    name(options.commonName),
    publicKey.export({ type: 'spki', format: 'der' }),
    tlv(0xa3, sequence(constraints, ...keyIds, ...alternativeNames(options))),
  );
  const der = sequence(body, ECDSA_SHA256, bits(sign('sha256', body, issuer.key)));
  // Never an empty line, which OpenSSL 3 refuses.
  const lines = der.toString('base64').match(/.{1,64}/g) as string[];
  return ['-----BEGIN CERTIFICATE-----', ...lines, '-----END CERTIFICATE-----', ''].join('\n');
}

const newKeys = () => generateKeyPairSync('ec', { namedCurve: 'P-256' });

/** A new CA that nobody knows yet. */
export function createTestCa(commonName = 'test CA'): TestCa {
  const own = newKeys();
  const issuer: Issuer = { name: commonName, key: own.privateKey, publicKey: own.publicKey };
  const issue = (options: CertificateOptions, signedBy: KeyObject): Certificate => {
    const keys = newKeys();
    return {
      cert: certificate({ ...options, isCa: false }, keys.publicKey, { ...issuer, key: signedBy }),
      key: keys.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    };
  };
  return {
    cert: certificate({ commonName, isCa: true }, own.publicKey, issuer),
    issue: (options) => issue(options, own.privateKey),
    forge: (options) => issue(options, newKeys().privateKey),
  };
}
