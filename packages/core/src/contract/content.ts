import {
  DEFAULT_MESSAGE_LIMITS,
  MAX_CONTENT_TYPE_LENGTH,
  MAX_NAME_LENGTH,
  MAX_TRACEPARENT_LENGTH,
  MAX_TRACESTATE_LENGTH,
  type MessageLimits,
} from './limits.ts';
import { checkDelayLevel, checkSyntax, checkTag, checkTopic, emptyField, isPlainText, type Violation } from './syntax.ts';

const HEADER_NAME = /^[A-Za-z0-9_.-]+$/;
const RESERVED_HEADER = /^(tpc|__)/i;
const PRINTABLE_ASCII = /^[\x20-\x7e]*$/;

export type CheckedContent = {
  topic: string;
  tag: string;
  body: Uint8Array | undefined;
  contentType: string;
  headers: Readonly<Record<string, string>>;
  traceparent: string;
  tracestate: string;
  delayLevel: number;
};

/**
 * All of a message but its key; pure.
 * @param prefix of the fields' paths, for example `message.` or `messages[3].`
 */
export function checkContent(prefix: string, content: CheckedContent, limits: MessageLimits = DEFAULT_MESSAGE_LIMITS): Violation[] {
  return [
    ...checkTopic(`${prefix}topic`, content.topic),
    ...checkTag(`${prefix}tag`, content.tag),
    ...checkBody(`${prefix}body`, content.body, limits.maxBodyBytes),
    ...checkAscii(`${prefix}content_type`, content.contentType, { what: 'The content type', code: 'CONTENT_TYPE', max: MAX_CONTENT_TYPE_LENGTH }),
    ...checkHeaders(`${prefix}headers`, content.headers, limits),
    ...checkTrace(prefix, content),
    ...checkDelayLevel(`${prefix}delay_level`, content.delayLevel),
  ];
}

/** W3C trace context. It is telemetry: where a message must not be refused, a bad one is left out. */
export function checkTrace(prefix: string, { traceparent, tracestate }: Pick<CheckedContent, 'traceparent' | 'tracestate'>): Violation[] {
  return [
    ...checkAscii(`${prefix}traceparent`, traceparent, { what: 'traceparent', code: 'TRACEPARENT', max: MAX_TRACEPARENT_LENGTH }),
    ...checkAscii(`${prefix}tracestate`, tracestate, { what: 'tracestate', code: 'TRACESTATE', max: MAX_TRACESTATE_LENGTH }),
  ];
}

/** Bytes of UTF-8 that headers count for. */
export function headersBytes(headers: Readonly<Record<string, string>>): number {
  let bytes = 0;
  for (const [name, value] of Object.entries(headers)) bytes += Buffer.byteLength(name) + Buffer.byteLength(value);
  return bytes;
}

function checkBody(field: string, body: Uint8Array | undefined, max: number): Violation[] {
  if (body === undefined || body.length === 0) return emptyField(field, 'The body', 'BODY');
  if (body.length <= max) return [];
  return [{ field, reason: 'BODY_TOO_LARGE', description: `The body has ${body.length} bytes; at most ${max} are allowed.` }];
}

function checkAscii(field: string, value: string, rule: { what: string; code: string; max: number }): Violation[] {
  return checkSyntax(field, value, { ...rule, pattern: PRINTABLE_ASCII, allowed: 'printable ASCII' });
}

function checkHeaders(field: string, headers: Readonly<Record<string, string>>, { maxHeaders, maxHeadersBytes }: MessageLimits): Violation[] {
  const entries = Object.entries(headers);
  if (entries.length > maxHeaders)
    return [{ field, reason: 'HEADERS_TOO_MANY', description: `There are ${entries.length} headers; at most ${maxHeaders} are allowed.` }];
  const bytes = headersBytes(headers);
  if (bytes > maxHeadersBytes)
    return [{ field, reason: 'HEADERS_TOO_LARGE', description: `The headers have ${bytes} bytes; at most ${maxHeadersBytes} are allowed.` }];
  return entries.flatMap(([name, value]) => checkHeader(`${field}["${name.slice(0, MAX_NAME_LENGTH)}"]`, name, value));
}

function checkHeader(field: string, name: string, value: string): Violation[] {
  if (RESERVED_HEADER.test(name))
    return [{ field, reason: 'HEADER_RESERVED', description: 'Names that begin with "tpc" or "__" belong to TPC and the broker.' }];
  if (name.length > MAX_NAME_LENGTH || !HEADER_NAME.test(name))
    return [{ field, reason: 'HEADER_NAME_SYNTAX', description: `A header's name has 1 to ${MAX_NAME_LENGTH} characters of [A-Za-z0-9_.-].` }];
  if (isPlainText(value)) return [];
  return [{ field, reason: 'HEADER_VALUE_SYNTAX', description: 'The value holds control characters or half of a surrogate pair.' }];
}
