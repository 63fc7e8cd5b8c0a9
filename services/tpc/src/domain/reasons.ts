/**
 * Every error that TPC answers, in one table: the grpc layer makes wire errors from it, `docs/errors.md` lists it. The TPC1005… codes are
 * the original's and never change; new errors have a speaking code, which is its own name. `{…}` in a message are variables, which also
 * travel as metadata (AIP-193).
 */

/** Names of the canonical gRPC codes that TPC uses; the same spelling as in grpc-js' `status`. */
export type StatusName =
  | 'INVALID_ARGUMENT'
  | 'NOT_FOUND'
  | 'ALREADY_EXISTS'
  | 'FAILED_PRECONDITION'
  | 'UNIMPLEMENTED'
  | 'UNAVAILABLE'
  | 'RESOURCE_EXHAUSTED'
  | 'DEADLINE_EXCEEDED';

export type ReasonEntry = {
  /** ErrorInfo.reason: for programs, never changes. */
  code: string;
  status: StatusName;
  /** For people; may change. */
  message: string;
  /** What the caller should do, for docs. */
  action: string;
};

// Stryker disable StringLiteral,ObjectLiteral: docs/errors.md is made of this table, and npm run lint compares the two.
export const REASONS = {
  TOPIC_EMPTY: {
    code: 'TPC10050001',
    status: 'INVALID_ARGUMENT',
    message: 'The topic is empty.',
    action: 'Name the topic.',
  },
  MESSAGE_NOT_FOUND: {
    code: 'TPC10050002',
    status: 'NOT_FOUND',
    message: 'No message {message_key} of this producer group.',
    action: 'After a commit send the message by SaveAndSendMessage with committed = true.',
  },
  DELETE_FAILED: {
    code: 'TPC10050003',
    status: 'NOT_FOUND',
    message: 'No message {message_key} of this producer group to delete.',
    action: 'Nothing: what TPC does not know is never published.',
  },
  ARGUMENT_EMPTY: {
    code: 'TPC10050005',
    status: 'INVALID_ARGUMENT',
    message: 'A required argument is empty: {field}.',
    action: 'Fill the field.',
  },
  RESEND_NOT_FOUND: {
    code: 'TPC10050006',
    status: 'NOT_FOUND',
    message: 'No message {message_key} to resend.',
    action: 'Look the key up in the list of messages.',
  },
  DATA_EMPTY: {
    code: 'TPC10050007',
    status: 'INVALID_ARGUMENT',
    message: 'The message is empty.',
    action: 'Fill the field.',
  },
  BODY_EMPTY: {
    code: 'TPC10050008',
    status: 'INVALID_ARGUMENT',
    message: 'The body of the message is empty.',
    action: 'Send at least one byte.',
  },
  KEY_EMPTY: {
    code: 'TPC10050009',
    status: 'INVALID_ARGUMENT',
    message: 'The message key is empty.',
    action: 'Give each event a key.',
  },
  NO_SUBSCRIBER: {
    code: 'TPC100500010',
    status: 'FAILED_PRECONDITION',
    message: 'No consumer group subscribes topic {topic}, tag "{tag}".',
    action: 'Start the consumer (it registers itself), or correct topic and tag.',
  },
  DELAY_LEVEL_BAD: {
    code: 'TPC100500013',
    status: 'INVALID_ARGUMENT',
    message: 'The delay level must be 0 to 18.',
    action: 'Correct the field.',
  },
  BROKER_UNAVAILABLE: {
    code: 'TPC100500014',
    status: 'UNAVAILABLE',
    message: 'The broker does not take messages now.',
    action: 'Try again later.',
  },
  PRODUCER_GROUP_EMPTY: {
    code: 'TPC100500015',
    status: 'INVALID_ARGUMENT',
    message: 'The producer group is empty.',
    action: 'Name the producer group.',
  },
  KEY_CONFLICT: {
    code: 'KEY_CONFLICT',
    status: 'ALREADY_EXISTS',
    message: 'Key {message_key} is known with another content or of another producer group.',
    action: 'A key is one event for ever: use a new one.',
  },
  KEY_ROLLED_BACK: {
    code: 'KEY_ROLLED_BACK',
    status: 'FAILED_PRECONDITION',
    message: 'Message {message_key} was rolled back for good: its barrier stands in the outbox.',
    action: 'Roll the transaction back and repeat it under a new key. If it committed, send the message by SaveAndSendMessage with committed = true.',
  },
  CONTENT_NEEDED: {
    code: 'CONTENT_NEEDED',
    status: 'FAILED_PRECONDITION',
    message: 'The body of message {message_key} is cleaned away.',
    action: 'Send the message by SaveAndSendMessage with committed = true.',
  },
  ALREADY_SENDING: {
    code: 'ALREADY_SENDING',
    status: 'FAILED_PRECONDITION',
    message: 'Message {message_key} is confirmed already and cannot be deleted.',
    action: 'Nothing can take it back; compensate by another message.',
  },
  STORE_MISMATCH: {
    code: 'STORE_MISMATCH',
    status: 'FAILED_PRECONDITION',
    message: 'Message {message_key} belongs to another outbox database.',
    action: 'Only instances with the store id of the message may give a verdict. Renew the store id of a copied database before its services start.',
  },
  INBOX_STORE_CONFLICT: {
    code: 'INBOX_STORE_CONFLICT',
    status: 'FAILED_PRECONDITION',
    message: 'Consumer group {consumer_group} is bound to another inbox database.',
    action: 'One group, one inbox database: use another group, or let an operator rebind it.',
  },
  GROUP_NOT_FOUND: {
    code: 'GROUP_NOT_FOUND',
    status: 'NOT_FOUND',
    message: 'No consumer group {consumer_group} is registered.',
    action: 'Look the name up by ListConsumerGroups. A group that was removed already needs nothing more.',
  },
  GROUP_IS_LIVE: {
    code: 'GROUP_IS_LIVE',
    status: 'FAILED_PRECONDITION',
    message: 'Consumer group {consumer_group} has {instances} live instances.',
    action: 'Stop its instances and wait until they count as gone (three heartbeat intervals), or set force.',
  },
  OUTBOX_SHARED: {
    code: 'OUTBOX_SHARED',
    status: 'FAILED_PRECONDITION',
    message: 'Producer group {producer_group} uses the outbox database of group {other_group}, and the rows of one of them do not name their group.',
    action:
      'Give each group a database of its own. Or update the client library and the outbox table of both, so that each row names its producer group. A group that is renamed is taken a day after its last instance has stopped.',
  },
  RETENTION_TOO_SHORT: {
    code: 'RETENTION_TOO_SHORT',
    status: 'FAILED_PRECONDITION',
    message: 'The retention {given_ms} ms is shorter than the needed {needed_ms} ms.',
    action: 'Keep rows longer: a message could else be taken for a new one when it is repeated.',
  },
  NOT_RESENDABLE: {
    code: 'NOT_RESENDABLE',
    status: 'FAILED_PRECONDITION',
    message: 'Message {message_key} is prepared or cancelled and cannot be resent.',
    action: 'A prepared message is settled by its producer.',
  },
  CONTENT_INVALID: {
    code: 'CONTENT_INVALID',
    status: 'FAILED_PRECONDITION',
    message: 'Message {message_key} was committed though it breaks the rules of contents; it cannot be published as it is.',
    action: 'Read what is wrong in its reason, and the whole message in its body (GetMessage). Mend the producer and send the event under a new key.',
  },
  GENERATIONS_USED_UP: {
    code: 'GENERATIONS_USED_UP',
    status: 'FAILED_PRECONDITION',
    message: 'Message {message_key} has its highest generation already, so a group that has handled it cannot get it anew.',
    action: 'Send the event under a new key.',
  },
  GROUP_NOT_SUBSCRIBED: {
    code: 'GROUP_NOT_SUBSCRIBED',
    status: 'FAILED_PRECONDITION',
    message: 'Consumer group {consumer_group} neither has this message nor subscribes its topic and tag.',
    action: 'Name groups that subscribe the topic.',
  },
  REQUEST_ID_REUSED: {
    code: 'REQUEST_ID_REUSED',
    status: 'ALREADY_EXISTS',
    message: 'Request id {request_id} was used for another act.',
    action: 'Use a new UUID for each act.',
  },
  QUOTA_REACHED: {
    code: 'QUOTA_REACHED',
    status: 'FAILED_PRECONDITION',
    message: 'Group {group} has made {limit} {what}, and may make no more ({setting}).',
    action: 'Use the names that there are, or let an operator raise the setting of TPC.',
  },
  PAGE_TOKEN_INVALID: {
    code: 'PAGE_TOKEN_INVALID',
    status: 'INVALID_ARGUMENT',
    message: 'The page token is not one of these filters.',
    action: 'Begin again without a page token.',
  },
  FIELD_INVALID: {
    code: 'FIELD_INVALID',
    status: 'INVALID_ARGUMENT',
    message: 'A field is not valid: {field}.',
    action: 'The field violations say what is wrong.',
  },
  BATCH_SIZE: {
    code: 'BATCH_SIZE',
    status: 'INVALID_ARGUMENT',
    message: 'The list {field} has {count} items; it must have 1 to {max}.',
    action: 'Send at least one item, and smaller batches.',
  },
  NOT_SERVED: {
    code: 'NOT_SERVED',
    status: 'UNIMPLEMENTED',
    message: '{feature} is not served yet.',
    action: 'Leave the field at its default.',
  },
  OVERLOADED: {
    code: 'OVERLOADED',
    status: 'RESOURCE_EXHAUSTED',
    message: 'Too many calls wait already.',
    action: 'Try again after the given time.',
  },
  DEADLINE_PASSED: {
    code: 'DEADLINE_PASSED',
    status: 'DEADLINE_EXCEEDED',
    message: 'The deadline ran out before the work began; nothing was done.',
    action: 'Try again, with more time.',
  },
  TOO_LARGE_FOR_DATABASE: {
    code: 'TOO_LARGE_FOR_DATABASE',
    status: 'FAILED_PRECONDITION',
    message: "The message is larger than TPC's database takes in one statement.",
    action: "Raise max_allowed_packet of TPC's database. A committed message stays in its outbox and is taken once the database takes it.",
  },
  STORE_UNAVAILABLE: {
    code: 'STORE_UNAVAILABLE',
    status: 'UNAVAILABLE',
    message: "TPC's database does not answer.",
    action: 'Try again later; the call may or may not have been carried out, and may be repeated.',
  },
} as const satisfies Record<string, ReasonEntry>;
// Stryker restore StringLiteral,ObjectLiteral

/** Name of an error: ErrorInfo.metadata.name. */
export type ReasonName = keyof typeof REASONS;

/** A refusal as a value: which rule said no, with the variables of its message. */
export type Refusal = { refused: ReasonName; metadata: Readonly<Record<string, string>> };

/** The message of a reason with its variables filled in. A variable that is not given stays visible by its name. */
export function reasonText(name: ReasonName, metadata: Readonly<Record<string, string>>): string {
  return REASONS[name].message.replace(/\{(\w+)\}/g, (whole, variable: string) => metadata[variable] ?? whole);
}
