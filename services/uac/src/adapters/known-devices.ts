import { createHmac, timingSafeEqual } from 'node:crypto';
import { newSecretToken } from '../domain/secret-token.ts';

/**
 * What a browser shows of having logged in before with a login name, so that guesses from elsewhere do not stop it (OWASP: device cookies). It opens nothing: it
 * only has a limit of its own. Nothing is stored; the service signs it.
 */
export type KnownDevices = {
  /** A new device for a name. */
  issue(loginNameKey: string): string;
  /** What limits count of a device; undefined when it is none of this name. */
  deviceOf(loginNameKey: string, shown: string | undefined): string | undefined;
};

/** @param key secret of the service, the same for all replicas */
export function createKnownDevices(key: Buffer): KnownDevices {
  const sign = (loginNameKey: string, device: string) => createHmac('sha256', key).update(`known device\0${loginNameKey}\0${device}`).digest();
  return {
    issue(loginNameKey) {
      const device = newSecretToken();
      return `${device}.${sign(loginNameKey, device).toString('base64url')}`;
    },
    deviceOf(loginNameKey, shown = '') {
      const [device = '', signature = ''] = shown.split('.', 2);
      const given = Buffer.from(signature, 'base64url');
      const right = sign(loginNameKey, device);
      return given.length === right.length && timingSafeEqual(given, right) ? device : undefined;
    },
  };
}
