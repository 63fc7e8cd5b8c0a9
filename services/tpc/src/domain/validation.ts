import type { ReasonName } from './reasons.ts';

/**
 * What a request's fields may hold (proto/tpc/v1); pure. Each rule answers a violation with the path of the field, a code for programs and words
 * for people. TPC enforces these for every client, with or without the library.
 */
export type Violation = { field: string; reason: string; description: string };

export const MAX_KEY_LENGTH = 128;
export const MAX_NAME_LENGTH = 64;
export const MAX_HOST_LENGTH = 128;
export const MAX_CONTENT_TYPE_LENGTH = 128;
export const MAX_HEADERS = 64;
export const MAX_HEADER_NAME_LENGTH = 64;
export const MAX_HEADERS_BYTES = 16 * 1024;
export const MAX_TRACEPARENT_LENGTH = 64;
export const MAX_TRACESTATE_LENGTH = 512;
/** A generation is raised by operators' acts alone; a report above this would leave no room for the next. */
export const MAX_GENERATION = 1_000_000;
export const MAX_DELAY_LEVEL = 18;
/** Default of the largest body, bytes. */
export const DEFAULT_MAX_BODY_BYTES = 1024 * 1024;

const NAME = /^[A-Za-z0-9_-]+$/;
const INSTANCE_ID = /^[A-Za-z0-9_.:-]+$/;
const KEY = /^[A-Za-z0-9_.:@-]+$/;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const HEADER_NAME = /^[A-Za-z0-9_.-]+$/;
const RESERVED_HEADER = /^(tpc|__)/i;
const REASON_CODE = /^[A-Z0-9_]+$/;
const PRINTABLE_ASCII = /^[\x20-\x7e]*$/;
const CONTROL = /\p{Cc}/u;

type Rule = { what: string; code: string; pattern: RegExp; allowed: string; max: number };

function check(field: string, value: string, rule: Rule): Violation[] {
  if (value.length > rule.max)
    return [{ field, reason: `${rule.code}_TOO_LONG`, description: `${rule.what} has ${value.length} characters; at most ${rule.max} are allowed.` }];
  if (!rule.pattern.test(value))
    return [{ field, reason: `${rule.code}_SYNTAX`, description: `${rule.what} may hold only characters of ${rule.allowed}.` }];
  return [];
}

const nameRule = (what: string, code: string): Rule => ({ what, code, pattern: NAME, allowed: '[A-Za-z0-9_-]', max: MAX_NAME_LENGTH });

function empty(field: string, what: string, code: string): Violation[] {
  return [{ field, reason: `${code}_EMPTY`, description: `${what} is required.` }];
}

export function checkProducerGroup(field: string, group: string): Violation[] {
  const what = 'The producer group';
  return group === '' ? empty(field, what, 'PRODUCER_GROUP') : check(field, group, nameRule(what, 'PRODUCER_GROUP'));
}

export function checkConsumerGroup(field: string, group: string): Violation[] {
  const what = 'The consumer group';
  return group === '' ? empty(field, what, 'CONSUMER_GROUP') : check(field, group, nameRule(what, 'CONSUMER_GROUP'));
}

/** '' is allowed: a producer or consumer without the client library. */
export function checkStoreId(field: string, storeId: string): Violation[] {
  return storeId === '' ? [] : check(field, storeId, nameRule('The store id', 'STORE_ID'));
}

export function checkInstanceId(field: string, id: string): Violation[] {
  const what = 'The instance id';
  if (id === '') return empty(field, what, 'INSTANCE_ID');
  return check(field, id, { what, code: 'INSTANCE_ID', pattern: INSTANCE_ID, allowed: '[A-Za-z0-9_.:-]', max: MAX_NAME_LENGTH });
}

export function checkHost(field: string, host: string): Violation[] {
  if (host.length > MAX_HOST_LENGTH)
    return [{ field, reason: 'HOST_TOO_LONG', description: `The host has ${host.length} characters; at most ${MAX_HOST_LENGTH} are allowed.` }];
  return CONTROL.test(host) ? [{ field, reason: 'HOST_SYNTAX', description: 'The host holds control characters.' }] : [];
}

export function checkTopic(field: string, topic: string): Violation[] {
  return topic === '' ? empty(field, 'The topic', 'TOPIC') : check(field, topic, nameRule('The topic', 'TOPIC'));
}

/** '' is "no tag". */
export function checkTag(field: string, tag: string): Violation[] {
  return tag === '' ? [] : check(field, tag, nameRule('The tag', 'TAG'));
}

/** Key of a message that is only looked up. */
export function checkKeySyntax(field: string, key: string): Violation[] {
  const what = 'The message key';
  if (key === '') return empty(field, what, 'KEY');
  return check(field, key, { what, code: 'KEY', pattern: KEY, allowed: '[A-Za-z0-9_.:@-]', max: MAX_KEY_LENGTH });
}

/** Key as TPC stores it: also one with `#` and 16 hexadecimal digits (KEY_CONFLICT). For operators' calls. */
export function checkStoredKey(field: string, key: string): Violation[] {
  return checkKeySyntax(field, key.replace(/#[0-9a-f]{16}$/, ''));
}

/** Key of a message that is to be stored: a UUID in lower case, or `<producer group>:<own>`, so that no two groups can collide (design §3.6). */
export function checkMessageKey(field: string, key: string, producerGroup: string): Violation[] {
  const violations = checkKeySyntax(field, key);
  if (violations.length > 0 || UUID.test(key)) return violations;
  const prefix = `${producerGroup}:`;
  if (key.startsWith(prefix) && key.length > prefix.length) return [];
  return [{ field, reason: 'KEY_OWNER', description: `The message key must be a UUID in lower case, or begin with "${prefix}" and go on.` }];
}

export type CheckedContent = {
  topic: string;
  tag: string;
  body: Buffer | undefined;
  contentType: string;
  headers: Readonly<Record<string, string>>;
  traceparent: string;
  tracestate: string;
  delayLevel: number;
};

/**
 * All of a message but its key.
 * @param prefix path of the message in the request, for example `message` or `messages[3]`
 */
export function checkContent(prefix: string, content: CheckedContent, maxBodyBytes = DEFAULT_MAX_BODY_BYTES): Violation[] {
  return [
    ...checkTopic(`${prefix}.topic`, content.topic),
    ...checkTag(`${prefix}.tag`, content.tag),
    ...checkBody(`${prefix}.body`, content.body, maxBodyBytes),
    ...checkAscii(`${prefix}.content_type`, content.contentType, { what: 'The content type', code: 'CONTENT_TYPE', max: MAX_CONTENT_TYPE_LENGTH }),
    ...checkHeaders(`${prefix}.headers`, content.headers),
    ...checkAscii(`${prefix}.traceparent`, content.traceparent, { what: 'traceparent', code: 'TRACEPARENT', max: MAX_TRACEPARENT_LENGTH }),
    ...checkAscii(`${prefix}.tracestate`, content.tracestate, { what: 'tracestate', code: 'TRACESTATE', max: MAX_TRACESTATE_LENGTH }),
    ...checkDelayLevel(`${prefix}.delay_level`, content.delayLevel),
  ];
}

function checkBody(field: string, body: Buffer | undefined, max: number): Violation[] {
  if (body === undefined || body.length === 0) return empty(field, 'The body', 'BODY');
  if (body.length <= max) return [];
  return [{ field, reason: 'BODY_TOO_LARGE', description: `The body has ${body.length} bytes; at most ${max} are allowed.` }];
}

function checkAscii(field: string, value: string, rule: { what: string; code: string; max: number }): Violation[] {
  return check(field, value, { ...rule, pattern: PRINTABLE_ASCII, allowed: 'printable ASCII' });
}

function checkHeaders(field: string, headers: Readonly<Record<string, string>>): Violation[] {
  const entries = Object.entries(headers);
  if (entries.length > MAX_HEADERS)
    return [{ field, reason: 'HEADERS_TOO_MANY', description: `There are ${entries.length} headers; at most ${MAX_HEADERS} are allowed.` }];
  const bytes = entries.reduce((sum, [name, value]) => sum + Buffer.byteLength(name) + Buffer.byteLength(value), 0);
  if (bytes > MAX_HEADERS_BYTES)
    return [{ field, reason: 'HEADERS_TOO_LARGE', description: `The headers have ${bytes} bytes; at most ${MAX_HEADERS_BYTES} are allowed.` }];
  return entries.flatMap(([name, value]) => checkHeader(`${field}["${name.slice(0, MAX_HEADER_NAME_LENGTH)}"]`, name, value));
}

function checkHeader(field: string, name: string, value: string): Violation[] {
  if (RESERVED_HEADER.test(name))
    return [{ field, reason: 'HEADER_RESERVED', description: 'Names that begin with "tpc" or "__" belong to TPC and the broker.' }];
  if (name.length > MAX_HEADER_NAME_LENGTH || !HEADER_NAME.test(name))
    return [{ field, reason: 'HEADER_NAME_SYNTAX', description: `A header's name has 1 to ${MAX_HEADER_NAME_LENGTH} characters of [A-Za-z0-9_.-].` }];
  return CONTROL.test(value) ? [{ field, reason: 'HEADER_VALUE_SYNTAX', description: 'The value holds control characters.' }] : [];
}

function checkDelayLevel(field: string, level: number): Violation[] {
  if (Number.isInteger(level) && level >= 0 && level <= MAX_DELAY_LEVEL) return [];
  return [{ field, reason: 'DELAY_LEVEL_BAD', description: `The delay level must be 0 to ${MAX_DELAY_LEVEL}.` }];
}

/** Code of a consumer's final failure. */
export function checkFailureReason(field: string, reason: string): Violation[] {
  const what = 'The reason';
  if (reason === '') return empty(field, what, 'REASON');
  return check(field, reason, { what, code: 'REASON', pattern: REASON_CODE, allowed: '[A-Z0-9_]', max: MAX_NAME_LENGTH });
}

/** Generation of a delivery, where 0 means 1. */
export function checkGeneration(field: string, generation: number): Violation[] {
  if (Number.isInteger(generation) && generation >= 0 && generation <= MAX_GENERATION) return [];
  return [{ field, reason: 'GENERATION_BAD', description: `The generation must be a whole number from 0 to ${MAX_GENERATION}.` }];
}

/** Violations that have an error code of their own, in the original's order of checks (F-24). All others are FIELD_INVALID. */
const OWN_ERRORS: readonly ReasonName[] = ['DATA_EMPTY', 'KEY_EMPTY', 'TOPIC_EMPTY', 'BODY_EMPTY', 'PRODUCER_GROUP_EMPTY', 'DELAY_LEVEL_BAD'];

/** The error that stands for a request's violations. */
export function reasonOfViolations(violations: readonly Violation[]): ReasonName {
  const own = OWN_ERRORS.find((name) => violations.some((violation) => violation.reason === name));
  if (own !== undefined) return own;
  return violations.some((violation) => violation.reason.endsWith('_EMPTY')) ? 'ARGUMENT_EMPTY' : 'FIELD_INVALID';
}
