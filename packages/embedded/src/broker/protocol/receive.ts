import { Metadata, type ServerWritableStream } from '@grpc/grpc-js';
import definition, { type FilterExpression } from 'rocketmq-client-nodejs/proto/apache/rocketmq/v2/definition_pb.js';
import service, { type ReceiveMessageRequest, type ReceiveMessageResponse } from 'rocketmq-client-nodejs/proto/apache/rocketmq/v2/service_pb.js';
import type { CommitQueue } from '../store/commit-queue.ts';
import type { BrokerStore, TakenMessage } from '../store/store.ts';
import { AUTO_RENEW_MS, AutoRenew } from './auto-renew.ts';
import type { ReceiptHandle } from './receipt-handle.ts';
import { parseTagExpression, type TagFilter } from './tag-filter.ts';
import type { Presence } from './telemetry.ts';
import { groupName, topicName } from './validate.ts';
import { Code, clientIdOf, durationMs, okStatus, Refusal, statusOf, toDelivered, toStatus, toTimestamp } from './wire.ts';

/** Most messages of one receive, as on RocketMQ. */
const MAX_RECEIVE = 32;
/** So much before the caller's own deadline a poll ends, milliseconds: an answer, also an empty one, must still arrive. */
const BEFORE_DEADLINE_MS = 500;
const LONGEST_POLL_MS = 30_000;

/** Tells a consumer, before the poll is over, that it waits and that its group exists from here on. RocketMQ has no such header. */
const POLL_REGISTERED_HEADER = 'x-poll-registered';

type Call = ServerWritableStream<ReceiveMessageRequest, ReceiveMessageResponse>;

type Poll = {
  call: Call;
  group: string;
  topic: string;
  filter: TagFilter;
  count: number;
  invisibleMs: number;
  /** The client whose deliveries the broker renews while it is there; undefined when it set a time of its own. */
  renewFor: string | undefined;
  endsAt: number;
  timer: NodeJS.Timeout | undefined;
  /** A try is under way; what wakes it meanwhile makes it try again. */
  trying: boolean;
  again: boolean;
};

export type ReceiveOptions = { queue: CommitQueue; store: BrokerStore; minInvisibleMs: number; storeHost: string };

/**
 * Long polls. A poll waits for new messages, for deliveries that become due again, and for its own end, whichever is first; it registers
 * before it looks, so that what is published in between wakes it.
 */
export class ReceiveService {
  readonly #options: ReceiveOptions;
  readonly #pollsByTopic = new Map<string, Set<Poll>>();
  readonly #autoRenew: AutoRenew;
  #closed = false;

  constructor(options: ReceiveOptions) {
    this.#options = options;
    this.#autoRenew = new AutoRenew(options.queue, options.store, (topic) => this.wake(topic));
  }

  /** To be told which clients are there. */
  get presence(): Presence {
    return this.#autoRenew;
  }

  readonly handle = (call: Call): void => {
    let poll: Poll;
    try {
      poll = this.#read(call);
    } catch (error) {
      call.write(new service.ReceiveMessageResponse().setStatus(statusOf(error)));
      call.end();
      return;
    }
    this.#register(poll);
    call.on('cancelled', () => this.#forget(poll));
    void this.#try(poll);
  };

  /** There is something new on a topic. */
  wake(topic: string): void {
    for (const poll of this.#pollsByTopic.get(topic) ?? []) void this.#try(poll);
  }

  /** Ends all polls with an empty answer. */
  close(): void {
    this.#closed = true;
    this.#autoRenew.close();
    for (const polls of this.#pollsByTopic.values()) {
      for (const poll of [...polls]) {
        poll.endsAt = 0;
        void this.#try(poll);
      }
    }
  }

  #read(call: Call): Poll {
    const request = call.request;
    const renewFor = request.getAutoRenew() ? clientIdOf(call.metadata) : undefined;
    const invisibleMs = renewFor === undefined ? durationMs(request.getInvisibleDuration()) : AUTO_RENEW_MS;
    if (invisibleMs < this.#options.minInvisibleMs) {
      throw new Refusal(Code.ILLEGAL_INVISIBLE_TIME, `the invisible time is ${invisibleMs} ms, at least ${this.#options.minInvisibleMs} are needed`);
    }
    const now = Date.now();
    const deadline = Number(call.getDeadline());
    const wanted = Math.min(durationMs(request.getLongPollingTimeout()), LONGEST_POLL_MS);
    const endsAt = Math.min(now + wanted, Number.isFinite(deadline) ? deadline - BEFORE_DEADLINE_MS : Number.POSITIVE_INFINITY);
    return {
      call,
      group: groupName(request.getGroup()),
      topic: topicName(request.getMessageQueue()?.getTopic()),
      filter: readFilter(request.getFilterExpression()),
      count: Math.min(MAX_RECEIVE, Math.max(1, request.getBatchSize())),
      invisibleMs,
      renewFor,
      endsAt: this.#closed ? 0 : endsAt,
      timer: undefined,
      trying: false,
      again: false,
    };
  }

  #register(poll: Poll): void {
    const polls = this.#pollsByTopic.get(poll.topic) ?? new Set();
    polls.add(poll);
    this.#pollsByTopic.set(poll.topic, polls);
  }

  #forget(poll: Poll): void {
    clearTimeout(poll.timer);
    const polls = this.#pollsByTopic.get(poll.topic);
    polls?.delete(poll);
    if (polls?.size === 0) this.#pollsByTopic.delete(poll.topic);
  }

  async #try(poll: Poll): Promise<void> {
    if (poll.trying) {
      poll.again = true;
      return;
    }
    poll.trying = true;
    clearTimeout(poll.timer);
    try {
      do {
        poll.again = false;
        if (await this.#tryOnce(poll)) return this.#forget(poll);
      } while (poll.again && !poll.call.cancelled);
    } catch (error) {
      this.#forget(poll);
      this.#answer(poll, statusOf(error), []);
    } finally {
      poll.trying = false;
    }
  }

  /** @returns true when the poll is answered or gone */
  async #tryOnce(poll: Poll): Promise<boolean> {
    const { queue, store } = this.#options;
    const { taken, nextDue } = await queue.submit(() => {
      const now = Date.now();
      const messages = store.take({ ...poll, now });
      return { taken: messages, nextDue: messages.length === 0 ? store.nextDue(poll.group, poll.topic) : undefined };
    });
    if (poll.call.cancelled) {
      await this.#giveBack(poll, taken);
      return true;
    }
    if (taken.length > 0) {
      if (poll.renewFor !== undefined)
        this.#autoRenew.hold(
          poll.renewFor,
          taken.map((each) => ({ group: poll.group, topic: poll.topic, handle: handleOf(each) })),
        );
      this.#answer(poll, okStatus(), taken);
      return true;
    }
    const now = Date.now();
    if (now >= poll.endsAt) {
      this.#answer(poll, toStatus(Code.MESSAGE_NOT_FOUND, 'no new message'), []);
      return true;
    }
    this.#tellRegistered(poll);
    poll.timer = setTimeout(() => void this.#try(poll), Math.max(1, Math.min(poll.endsAt, nextDue ?? poll.endsAt) - now));
    return false;
  }

  /** Headers are sent once; the gRPC library drops a second time. */
  #tellRegistered(poll: Poll): void {
    const headers = new Metadata();
    headers.set(POLL_REGISTERED_HEADER, '1');
    poll.call.sendMetadata(headers);
  }

  /** What was taken for a consumer that has gone comes again at once, and that attempt does not count. */
  async #giveBack(poll: Poll, taken: readonly TakenMessage[]): Promise<void> {
    if (taken.length === 0) return;
    await this.#options.queue.submit(() => this.#options.store.release(poll.group, taken.map(handleOf), Date.now()));
    this.wake(poll.topic);
  }

  #answer(poll: Poll, status: ReturnType<typeof okStatus>, taken: readonly TakenMessage[]): void {
    const { call, invisibleMs } = poll;
    call.write(new service.ReceiveMessageResponse().setStatus(status));
    for (const each of taken) call.write(new service.ReceiveMessageResponse().setMessage(toDelivered(each, invisibleMs, this.#options.storeHost)));
    call.write(new service.ReceiveMessageResponse().setDeliveryTimestamp(toTimestamp(Date.now())));
    call.end();
  }
}

function handleOf({ seq, attempt, nonce }: TakenMessage): ReceiptHandle {
  return { messageSeq: seq, attempt, nonce };
}

function readFilter(expression: FilterExpression | undefined): TagFilter {
  if (expression && expression.getType() === definition.FilterType.SQL) {
    throw new Refusal(Code.ILLEGAL_FILTER_EXPRESSION, 'the embedded broker filters by tag only');
  }
  const filter = parseTagExpression(expression?.getExpression() ?? '*');
  if (!filter) throw new Refusal(Code.ILLEGAL_FILTER_EXPRESSION, `"${expression?.getExpression()}" is no tag expression`);
  return filter;
}
