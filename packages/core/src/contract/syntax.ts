import { MAX_DELAY_LEVEL, MAX_GENERATION, MAX_HOST_LENGTH, MAX_KEY_LENGTH, MAX_NAME_LENGTH } from './limits.ts';

/**
 * What names, keys and codes may hold; pure. Each rule answers violations with the path of the field, a code for programs and words for people.
 * The client library refuses by these rules before a commit, and TPC enforces them for every client.
 */
export type Violation = { field: string; reason: string; description: string };

const NAME = /^[A-Za-z0-9_-]+$/;
const INSTANCE_ID = /^[A-Za-z0-9_.:-]+$/;
const KEY = /^[A-Za-z0-9_.:@-]+$/;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const STORED_KEY_SUFFIX = /#[0-9a-f]{16}$/;
const REASON_CODE = /^[A-Z0-9_]+$/;
const CONTROL = /\p{Cc}/u;

export type SyntaxRule = { what: string; code: string; pattern: RegExp; allowed: string; max: number };

export function checkSyntax(field: string, value: string, rule: SyntaxRule): Violation[] {
  if (value.length > rule.max)
    return [{ field, reason: `${rule.code}_TOO_LONG`, description: `${rule.what} has ${value.length} characters; at most ${rule.max} are allowed.` }];
  if (!rule.pattern.test(value))
    return [{ field, reason: `${rule.code}_SYNTAX`, description: `${rule.what} may hold only characters of ${rule.allowed}.` }];
  return [];
}

const nameRule = (what: string, code: string): SyntaxRule => ({ what, code, pattern: NAME, allowed: '[A-Za-z0-9_-]', max: MAX_NAME_LENGTH });

export function emptyField(field: string, what: string, code: string): Violation[] {
  return [{ field, reason: `${code}_EMPTY`, description: `${what} is required.` }];
}

/** Text that every part on the way carries unchanged: no control characters, which RocketMQ uses as separators, and no half of a surrogate pair. */
export function isPlainText(text: string): boolean {
  return !CONTROL.test(text) && text.isWellFormed();
}

export function checkProducerGroup(field: string, group: string): Violation[] {
  const what = 'The producer group';
  return group === '' ? emptyField(field, what, 'PRODUCER_GROUP') : checkSyntax(field, group, nameRule(what, 'PRODUCER_GROUP'));
}

export function checkConsumerGroup(field: string, group: string): Violation[] {
  const what = 'The consumer group';
  return group === '' ? emptyField(field, what, 'CONSUMER_GROUP') : checkSyntax(field, group, nameRule(what, 'CONSUMER_GROUP'));
}

/** '' is allowed: a producer or consumer without the client library. */
export function checkStoreId(field: string, storeId: string): Violation[] {
  return storeId === '' ? [] : checkSyntax(field, storeId, nameRule('The store id', 'STORE_ID'));
}

export function checkInstanceId(field: string, id: string): Violation[] {
  const what = 'The instance id';
  if (id === '') return emptyField(field, what, 'INSTANCE_ID');
  return checkSyntax(field, id, { what, code: 'INSTANCE_ID', pattern: INSTANCE_ID, allowed: '[A-Za-z0-9_.:-]', max: MAX_NAME_LENGTH });
}

export function checkHost(field: string, host: string): Violation[] {
  if (host.length > MAX_HOST_LENGTH)
    return [{ field, reason: 'HOST_TOO_LONG', description: `The host has ${host.length} characters; at most ${MAX_HOST_LENGTH} are allowed.` }];
  return CONTROL.test(host) ? [{ field, reason: 'HOST_SYNTAX', description: 'The host holds control characters.' }] : [];
}

export function checkTopic(field: string, topic: string): Violation[] {
  return topic === '' ? emptyField(field, 'The topic', 'TOPIC') : checkSyntax(field, topic, nameRule('The topic', 'TOPIC'));
}

/** '' is "no tag". */
export function checkTag(field: string, tag: string): Violation[] {
  return tag === '' ? [] : checkSyntax(field, tag, nameRule('The tag', 'TAG'));
}

/** Key of a message that is only looked up. */
export function checkKeySyntax(field: string, key: string): Violation[] {
  const what = 'The message key';
  if (key === '') return emptyField(field, what, 'KEY');
  return checkSyntax(field, key, { what, code: 'KEY', pattern: KEY, allowed: '[A-Za-z0-9_.:@-]', max: MAX_KEY_LENGTH });
}

/** Key as TPC stores it: also one with `#` and 16 hexadecimal digits. For operators' and consumers' calls. */
export function checkStoredKey(field: string, key: string): Violation[] {
  return checkKeySyntax(field, key.replace(STORED_KEY_SUFFIX, ''));
}

/** Key of a message that is to be stored: a UUID in lower case, or `<producer group>:<own>`, so that no two groups can collide. */
export function checkMessageKey(field: string, key: string, producerGroup: string): Violation[] {
  const violations = checkKeySyntax(field, key);
  if (violations.length > 0 || UUID.test(key)) return violations;
  const prefix = `${producerGroup}:`;
  if (key.startsWith(prefix) && key.length > prefix.length) return [];
  return [{ field, reason: 'KEY_OWNER', description: `The message key must be a UUID in lower case, or begin with "${prefix}" and go on.` }];
}

export function checkDelayLevel(field: string, level: number): Violation[] {
  if (Number.isInteger(level) && level >= 0 && level <= MAX_DELAY_LEVEL) return [];
  return [{ field, reason: 'DELAY_LEVEL_BAD', description: `The delay level must be 0 to ${MAX_DELAY_LEVEL}.` }];
}

/** Code of a consumer's final failure. */
export function checkFailureReason(field: string, reason: string): Violation[] {
  const what = 'The reason';
  if (reason === '') return emptyField(field, what, 'REASON');
  return checkSyntax(field, reason, { what, code: 'REASON', pattern: REASON_CODE, allowed: '[A-Z0-9_]', max: MAX_NAME_LENGTH });
}

/** Generation of a delivery, where 0 means 1. */
export function checkGeneration(field: string, generation: number): Violation[] {
  if (Number.isInteger(generation) && generation >= 0 && generation <= MAX_GENERATION) return [];
  return [{ field, reason: 'GENERATION_BAD', description: `The generation must be a whole number from 0 to ${MAX_GENERATION}.` }];
}
