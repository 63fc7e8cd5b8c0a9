import definition from 'rocketmq-client-nodejs/proto/apache/rocketmq/v2/definition_pb.js';
import type { SendMessageResponse } from 'rocketmq-client-nodejs/proto/apache/rocketmq/v2/service_pb.js';
import type { OutgoingBrokerMessage, PublishOutcome } from '../port.ts';
import type { Target } from './linked-client.ts';
import { afterBatchRefusal, describeCode, isPermanentRefusal } from './refusals.ts';
import { isLinkFailure } from './rpc-link.ts';

const { Code } = definition;

export type Sendable = { id: string; message: OutgoingBrokerMessage };

/** What sendBatch needs of a client object. */
export type Sender = {
  targets(topic: string, direction: 'write'): Promise<Target[]>;
  forgetRoute(topic: string): void;
  send(target: Target, batch: readonly Sendable[]): Promise<SendMessageResponse>;
};

export type BatchResult = {
  /** One for each message, in order. */
  outcomes: PublishOutcome[];
  /** Set when the broker was not reached: what waits behind this batch would fail alike. */
  unreachable: string | undefined;
};

/** How one request went: answered per message, refused as a whole, or not answered. */
type Answer =
  | { kind: 'answered'; outcomes: PublishOutcome[] }
  | { kind: 'refused'; code: number; text: string }
  | { kind: 'unreachable'; text: string };

/** Sends messages of one topic, split where the broker refuses them together, so that a bad one never holds up the others. Never rejects. */
export async function sendBatch(sender: Sender, topic: string, batch: readonly Sendable[]): Promise<BatchResult> {
  const now = performance.now();
  const late = new Set(batch.filter(({ message }) => message.sendBefore !== undefined && message.sendBefore <= now));
  if (late.size === 0) return sendAll(sender, topic, batch);
  const good = batch.filter((one) => !late.has(one));
  const { outcomes, unreachable } = good.length > 0 ? await sendAll(sender, topic, good) : { outcomes: [], unreachable: undefined };
  const outcomeOf = new Map(good.map((one, index) => [one, outcomes[index]]));
  return { outcomes: batch.map((one) => outcomeOf.get(one) ?? failed('it waited too long before it could be sent')), unreachable };
}

async function sendAll(sender: Sender, topic: string, batch: readonly Sendable[]): Promise<BatchResult> {
  const answer = await sendOnce(sender, topic, batch);
  if (answer.kind === 'answered') return { outcomes: answer.outcomes, unreachable: undefined };
  if (answer.kind === 'unreachable') return { outcomes: batch.map(() => failed(answer.text)), unreachable: answer.text };
  const split = batch.length > 1 ? afterBatchRefusal(answer.code) : 'fail';
  if (split === 'singly') return singly(sender, topic, batch);
  if (split === 'halves') return bisect(sender, topic, batch, answer);
  return { outcomes: batch.map(() => refused(answer.code, answer.text)), unreachable: undefined };
}

async function singly(sender: Sender, topic: string, batch: readonly Sendable[]): Promise<BatchResult> {
  const results: BatchResult[] = [];
  let unreachable: string | undefined;
  for (const one of batch) {
    const result = unreachable === undefined ? await sendBatch(sender, topic, [one]) : { outcomes: [failed(unreachable)], unreachable };
    unreachable = result.unreachable;
    results.push(result);
  }
  return join(results);
}

/** Halves of which both are refused are a fault of the broker, not of one message: it is not asked for each. */
async function bisect(sender: Sender, topic: string, batch: readonly Sendable[], refusal: { code: number; text: string }): Promise<BatchResult> {
  const middle = Math.ceil(batch.length / 2);
  const halves = [batch.slice(0, middle), batch.slice(middle)];
  const answers = [await sendOnce(sender, topic, halves[0]!), await sendOnce(sender, topic, halves[1]!)];
  if (answers.every((answer) => answer.kind === 'refused' && afterBatchRefusal(answer.code) === 'halves')) {
    return { outcomes: batch.map(() => refused(refusal.code, refusal.text)), unreachable: undefined };
  }
  const results: BatchResult[] = [];
  for (const [index, answer] of answers.entries()) {
    const half = halves[index]!;
    if (answer.kind === 'answered') results.push({ outcomes: answer.outcomes, unreachable: undefined });
    else if (answer.kind === 'unreachable') results.push({ outcomes: half.map(() => failed(answer.text)), unreachable: answer.text });
    else if (half.length === 1) results.push({ outcomes: [refused(answer.code, answer.text)], unreachable: undefined });
    else results.push(await bisect(sender, topic, half, answer));
  }
  return join(results);
}

/** Turns from broker to broker, so that one that is away costs only its share. */
let turn = 0;

async function sendOnce(sender: Sender, topic: string, batch: readonly Sendable[]): Promise<Answer> {
  try {
    const targets = await sender.targets(topic, 'write');
    if (targets.length === 0) return { kind: 'refused', code: Code.NOT_FOUND, text: `topic ${topic} has no writable queue` };
    turn = (turn + 1) % Number.MAX_SAFE_INTEGER;
    const response = await sender.send(targets[turn % targets.length]!, batch);
    const code = response.getStatus()?.getCode() ?? Code.OK;
    if (code === Code.TOPIC_NOT_FOUND) sender.forgetRoute(topic);
    if (code !== Code.OK && code !== Code.MULTIPLE_RESULTS) return { kind: 'refused', code, text: response.getStatus()?.getMessage() ?? '' };
    return { kind: 'answered', outcomes: outcomesOf(response, batch) };
  } catch (error) {
    return answerOf(error, topic);
  }
}

/** The broker answers a batch with one entry for all; should it answer with one for each, each counts by itself. */
function outcomesOf(response: SendMessageResponse, batch: readonly Sendable[]): PublishOutcome[] {
  const entries = response.getEntriesList();
  return batch.map(({ id }, index) => {
    const status = (entries.length === batch.length ? entries[index] : entries[0])?.getStatus();
    const code = status?.getCode() ?? Code.OK;
    return code === Code.OK ? { ok: true, brokerMessageId: id } : refused(code, status?.getMessage() ?? '');
  });
}

function answerOf(error: unknown, topic: string): Answer {
  const text = error instanceof Error ? error.message : String(error);
  if (isLinkFailure(error)) return { kind: 'unreachable', text: `broker not reached: ${text}` };
  const code = (error as { code?: unknown }).code;
  // The client's exceptions carry the broker's five-digit codes; anything else (a gRPC status, a fault while encoding) does not say whose fault it is.
  if (typeof code === 'number' && code >= Code.BAD_REQUEST) return { kind: 'refused', code, text: `topic ${topic}: ${withoutPrefix(text)}` };
  return { kind: 'refused', code: Code.INTERNAL_ERROR, text };
}

function join(results: readonly BatchResult[]): BatchResult {
  return {
    outcomes: results.flatMap((result) => result.outcomes),
    unreachable: results.find((result) => result.unreachable !== undefined)?.unreachable,
  };
}

function refused(code: number, text: string): PublishOutcome {
  return { ok: false, permanent: isPermanentRefusal(code), reason: `${describeCode(code)} ${text}`.trim() };
}

function failed(reason: string): PublishOutcome {
  return { ok: false, permanent: false, reason };
}

/** The client puts a request id, which it does not have, and the code before the broker's words. */
function withoutPrefix(text: string): string {
  return text.replace(/^\[request-id=[^\]]*\] /, '');
}
