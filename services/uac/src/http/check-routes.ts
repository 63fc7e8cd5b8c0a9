import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { IdentityKind } from '../domain/identity.ts';
import type { Language } from '../domain/language.ts';
import type { Flows } from '../flows/index.ts';
import { refuseFields } from '../flows/refusal.ts';
import { sendSuccess } from './envelope.ts';
import { requestLanguage, textFields } from './request.ts';

const KINDS: readonly IdentityKind[] = ['loginName', 'email', 'mobileNo'];

/** The original's texts beside `result: false`. */
const TAKEN: Record<IdentityKind, Record<Language, string>> = {
  loginName: { zh: '用户名已存在', en: 'This login name is taken.' },
  email: { zh: '邮箱已存在', en: 'This e-mail address is taken.' },
  mobileNo: { zh: '手机号码已存在', en: 'This mobile number is taken.' },
};

/** Taken or free, active or not (F-05a). */
export function addCheckRoutes(app: FastifyInstance, flows: Flows): void {
  app.post('/auth/checkValid', async (request, reply) => {
    const { validValue, type } = textFields(request.body, { validValue: ['validValue'], type: ['type'] });
    const kind = KINDS.find((known) => known === type);
    if (!kind) throw refuseFields([{ field: 'type', code: 'UAC10011017' }]);
    const free = await flows.isFree(kind, validValue);
    return sendSuccess(request, reply, free, free ? undefined : TAKEN[kind][requestLanguage(request)]);
  });
  const active = (kind: 'email' | 'mobileNo', parameter: string) => async (request: FastifyRequest, reply: FastifyReply) =>
    sendSuccess(request, reply, await flows.isActive(kind, (request.params as Record<string, string>)[parameter] ?? ''));
  app.route({ method: ['GET', 'POST'], url: '/auth/checkPhoneActive/:mobile', handler: active('mobileNo', 'mobile') });
  app.route({ method: ['GET', 'POST'], url: '/auth/checkEmailActive/:email', handler: active('email', 'email') });
}
