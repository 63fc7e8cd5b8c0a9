import type { AppError } from '@tpc/platform';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { CODES, isUacCode, numberOfCode } from '../domain/codes.ts';
import type { Language } from '../domain/language.ts';
import { requestLanguage } from './request.ts';

/** The original's answer to everything: 200 for success, a code of domain/codes.ts for a refusal, an HTTP status for what is no business. */
export type Envelope<T> = { code: number; message: string; result: T };

const SUCCESS = 200;
const SUCCESS_TEXT: Record<Language, string> = { zh: '操作成功', en: 'Done.' };

function successEnvelope<T>(language: Language, result: T, message = SUCCESS_TEXT[language]): Envelope<T> {
  return { code: SUCCESS, message, result };
}

/** Answers with success. */
export function sendSuccess<T>(request: FastifyRequest, reply: FastifyReply, result: T, message?: string): FastifyReply {
  return reply.send(successEnvelope(requestLanguage(request), result, message));
}

/** One field that is wrong, as a page shows it. */
export type FieldProblem = { field: string; code: number; message: string };

/** A refusal's number and its text in the reader's language, with all fields that are wrong, if any; undefined for a reason that is none of ours. */
export function refusalEnvelope(error: AppError, language: Language): (Envelope<null> & { errors?: FieldProblem[] }) | undefined {
  const { reason } = error;
  if (!isUacCode(reason)) return undefined;
  const envelope = { code: numberOfCode(reason), message: CODES[reason][language], result: null };
  const errors = error.violations.flatMap(({ field, reason: code }) =>
    isUacCode(code) ? [{ field, code: numberOfCode(code), message: CODES[code][language] }] : [],
  );
  return errors.length === 0 ? envelope : { ...envelope, errors };
}
