/** Why messages and copies end as dead, in words for operators: a section of docs/errors.md. A reason that is missing here fails the type check. */
import type { Reason } from '../../packages/client/src/consumer/domain/states.ts';
import type { DeadReason, WaitReason } from '../../services/tpc/src/domain/states.ts';

type Words = { meaning: string; action: string };

/** `reason` of a message. */
export const OF_MESSAGES: Readonly<Record<DeadReason, Words>> = {
  NO_SUBSCRIBER: {
    meaning: 'It was committed, and no consumer group takes its topic and tag.',
    action: 'Start the consumer, or correct its tags. The message goes on by itself once a group registers for it.',
  },
  COMMIT_AFTER_ROLLBACK: {
    meaning: 'Its producer first said that the transaction was rolled back, and later that it was committed.',
    action:
      'Look for a second outbox database behind the group, or one restored to an earlier time. Compare with the business rows, then ResendMessage.',
  },
  ROLLBACK_AFTER_COMMIT: {
    meaning: 'Its producer said that the transaction was rolled back, after the message had been confirmed. It is sent all the same.',
    action: 'Look for a second outbox database behind the group. Undo the effect by a message of its own if the business was rolled back.',
  },
  KEY_CONFLICT: {
    meaning: 'Another content was committed under a key that TPC knows already; it is kept under the key, # and a part of its hash.',
    action: 'Mend the producer: one event, one key. Resend the kept message if both events are real.',
  },
  CONTENT_INVALID: {
    meaning: 'It was committed, though it breaks the rules of contents; it is kept as it came.',
    action: 'Its detail names the field. Mend the producer and send the event under a new key; resend where only a limit was in the way.',
  },
  BROKER_REFUSED: {
    meaning: 'The broker refuses it for good: its size, a property, or its topic.',
    action: 'Its detail has the words of the broker. Mend the topic or the limit of the broker, then ResendMessage.',
  },
  STRAY_COPIES: {
    meaning: "Copies of another message stood at its id: TPC's tables were restored to different moments. Those copies were removed.",
    action: 'ResendMessage, and look what else the restore has left apart.',
  },
  GROUP_FAILED: {
    meaning: 'At least one consumer group has given up; the reason of the group stands on its copy.',
    action: "GetMessage shows it. Mend the group's handler or the data, then ResendMessage to that group.",
  },
  OVERDUE: {
    meaning: 'It is not dead: a consumer group has not received it for longer than TPC_OVERDUE_AFTER_MS; its timeline names the group.',
    action:
      'See what the group lacks ("A consumer group that does not receive" in operating.md). It goes on by itself once the group is there again.',
  },
};

/** `reason` of a message that is not dead, and of its copy that waits. */
export const OF_WAITS: Readonly<Record<WaitReason, Words>> = {
  TAG_NOT_TAKEN: {
    meaning: 'A consumer group subscribes its tag, and no live instance of the group takes it. It is not published in vain, and never dead for that.',
    action: 'Start an instance that takes the tag: the message goes on by itself. ListConsumerGroups with attention_only names the groups.',
  },
};

/** `reason` of the copy of a group: those that the client library gives. A handler may give reasons of its own, and so may other clients. */
export const OF_COPIES: Readonly<Record<keyof typeof Reason, Words>> = {
  BAD_MESSAGE: {
    meaning: 'The handler says that it can never handle this message (BadMessageError).',
    action: 'The detail says why. Correct the producer and send the event under a new key.',
  },
  POISON: {
    meaning: 'Several processes in a row have died while they handled it alone.',
    action: 'Look into their last lines (memory, native code). Mend the handler, then ResendMessage.',
  },
  RETRIES_EXHAUSTED: {
    meaning: 'The handler has failed as often as the retry policy of the group allows.',
    action: 'The detail has the last error. Mend what it needs, then ResendMessage.',
  },
  TOO_LARGE: { meaning: 'It does not fit into the inbox of the group.', action: 'Raise the limits of its database, then ResendMessage.' },
  UNSTORABLE: { meaning: 'The inbox cannot store it: a field is longer than its column.', action: 'The detail names the field. Mend the sender.' },
  EFFECT_FAILED: {
    meaning: 'Some of its effects outside (one mail of several, say) have finally failed, for different reasons.',
    action: 'The detail names them. Mend the causes, then ResendMessage: what has been done is not done again.',
  },
  EFFECT_UNCERTAIN: {
    meaning: 'Nobody knows whether an effect outside was done, and the handler asked not to repeat it on its own.',
    action: 'Look at the other side whether it was done; ResendMessage if it was not.',
  },
  SUPERSEDED: { meaning: 'A newer generation of the message is in the inbox. It is never reported.', action: 'Nothing.' },
};
