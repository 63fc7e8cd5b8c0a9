import { STATUS_CODES } from 'node:http';
import { status } from '@grpc/grpc-js';
import type { AppError, Log } from '@tpc/platform';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Language } from '../domain/language.ts';
import { toUacError } from '../flows/uac-error.ts';
import { refusalEnvelope } from './envelope.ts';
import type { Pages } from './pages.ts';
import { MalformedRequest, requestLanguage, wantsPage } from './request.ts';

/** Business refusals are answered with HTTP 200 and their code, as in the original; these are about the service and not about the business. */
const HTTP_STATUS: Partial<Record<status, number>> = {
  [status.RESOURCE_EXHAUSTED]: 429,
  [status.UNAVAILABLE]: 503,
};

const HTTP_TEXT: Record<number, Record<Language, string>> = {
  400: { zh: '请求格式不正确', en: 'The request is malformed' },
  403: { zh: '拒绝跨站请求', en: 'Requests from other sites are refused.' },
  404: { zh: '页面不存在', en: 'There is nothing at this address.' },
  413: { zh: '请求内容过大', en: 'The request is too large.' },
  415: { zh: '只接受 JSON 或表单', en: 'Send JSON or a form.' },
  500: { zh: '内部异常', en: 'An unexpected error; the service has logged it.' },
  503: { zh: '服务暂时不可用，请稍后再试', en: 'The service cannot do this right now: try again.' },
};

/** Answers errors of all paths: the envelope for programs, a page for people. */
export function addErrorAnswers(app: FastifyInstance, pages: Pages, log: Log): void {
  app.setNotFoundHandler((request, reply) => answerHttpStatus(request, reply, pages, 404));
  app.setErrorHandler((error: Error & { statusCode?: number }, request, reply) => {
    const refused = error instanceof MalformedRequest || (error.statusCode !== undefined && error.statusCode >= 400 && error.statusCode < 500);
    if (refused) return answerHttpStatus(request, reply, pages, error.statusCode as number, error.message);
    return answerRefusal(request, reply, pages, logged(toUacError(error), request, log));
  });
}

function logged(error: AppError, request: FastifyRequest, log: Log): AppError {
  const route = request.routeOptions.url;
  if (error.status === status.INTERNAL) log.error({ route, err: error.cause ?? error }, 'request failed');
  else if (error.status === status.UNAVAILABLE) log.warn({ route, reason: error.reason, err: error.cause }, 'request not possible now');
  else log.debug({ route, reason: error.reason }, 'request refused');
  return error;
}

/** Status and envelope of a refusal. */
export function refusalAnswer(error: AppError, language: Language) {
  const envelope = refusalEnvelope(error, language);
  if (!envelope) return { statusCode: 500, envelope: { code: 500, message: HTTP_TEXT[500]?.[language] ?? '', result: null } };
  return { statusCode: HTTP_STATUS[error.status] ?? 200, envelope };
}

function answerRefusal(request: FastifyRequest, reply: FastifyReply, pages: Pages, error: AppError): FastifyReply {
  const language = requestLanguage(request);
  const { statusCode, envelope } = refusalAnswer(error, language);
  if (error.retryAfterMs !== undefined) reply.header('retry-after', Math.ceil(error.retryAfterMs / 1000));
  reply.code(statusCode);
  if (wantsPage(request)) return pages.send(reply, 'message', language, { message: envelope.message, tone: 'bad' });
  return reply.send(envelope);
}

function answerHttpStatus(request: FastifyRequest, reply: FastifyReply, pages: Pages, statusCode: number, detail?: string): FastifyReply {
  const language = requestLanguage(request);
  const text = HTTP_TEXT[statusCode]?.[language] ?? STATUS_CODES[statusCode] ?? 'Bad request';
  reply.code(statusCode);
  if (wantsPage(request)) return pages.send(reply, 'message', language, { message: text, tone: 'bad' });
  if (statusCode === 400 && detail !== undefined) return reply.send(malformedEnvelope(language, detail));
  return reply.send({ code: statusCode, message: text, result: null });
}

/** The envelope for a request that could not be read, with what is wrong with it. */
export function malformedEnvelope(language: Language, detail: string) {
  return { code: 400, message: `${HTTP_TEXT[400]?.[language]}: ${detail}`, result: null };
}
