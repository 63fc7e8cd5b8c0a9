import type { FastifyReply, FastifyRequest } from 'fastify';
import type { SessionTokens } from '../flows/session-tokens.ts';
import { wantsPage } from './request.ts';

/**
 * A browser's session: the refresh token in a cookie that no script can read and no other site can send. The page's own script asks for it
 * by a header that other origins cannot set without permission; programs get the token in the body instead.
 */
export type SessionCookie = {
  read(request: FastifyRequest): string | undefined;
  write(reply: FastifyReply, tokens: SessionTokens): void;
  clear(reply: FastifyReply): void;
};

/** What a browser shows of having logged in before (adapters/known-devices.ts). It stays when the session ends. */
export type DeviceCookie = {
  read(request: FastifyRequest): string | undefined;
  write(reply: FastifyReply, device: string): void;
};

const DEVICE_LIFE_S = 365 * 24 * 3600;

/** Header by which the page's script asks for the cookie. */
const ASK_HEADER = 'x-uac-session';

/** Whether the session goes into the cookie: the page's script, or a form without script. */
export function asksForCookie(request: FastifyRequest): boolean {
  return request.headers[ASK_HEADER] === 'cookie' || wantsPage(request);
}

/** @param publicUrl with https the cookie is Secure and bound to the host by its name */
export function createSessionCookie(publicUrl: () => string): SessionCookie {
  const secure = () => publicUrl().startsWith('https:');
  const name = () => (secure() ? '__Host-uac_refresh' : 'uac_refresh');
  const options = () => ({ path: '/', httpOnly: true, sameSite: 'strict', secure: secure() }) as const;
  return {
    read: (request) => request.cookies[name()],
    write: (reply, tokens) => void reply.setCookie(name(), tokens.refreshToken, { ...options(), expires: new Date(tokens.refreshExpiresAt) }),
    clear: (reply) => void reply.clearCookie(name(), options()),
  };
}

/** @param publicUrl as for the session's cookie */
export function createDeviceCookie(publicUrl: () => string): DeviceCookie {
  const secure = () => publicUrl().startsWith('https:');
  const name = () => (secure() ? '__Host-uac_device' : 'uac_device');
  return {
    read: (request) => request.cookies[name()],
    write: (reply, device) =>
      void reply.setCookie(name(), device, { path: '/', httpOnly: true, sameSite: 'strict', secure: secure(), maxAge: DEVICE_LIFE_S }),
  };
}
