import { credentials } from '@grpc/grpc-js';
import { BATCH_COPY } from '@tpc/core';
import { MessageAdminServiceClient } from '@tpc/gen/tpc/v1/message_admin_service';
import { ReliableMessageServiceClient } from '@tpc/gen/tpc/v1/reliable_message_service';
import { afterEach, describe, expect, it } from 'vitest';
import {
  CONFIRM,
  CREATE,
  HOPS_FROM_PUBLISH,
  HOPS_OF_CONFIRM,
  HOPS_TO_PREPARED,
  missingHops,
  OWN_HOPS,
  PREPARE,
  PROCESS,
  PUBLISH,
  pathOf as pathIn,
  RECEIVE,
  type SeenSpan,
} from '../support/tracing/seen-spans.ts';
import { TracedProduct } from '../support/tracing/traced-product.ts';
import { until } from '../support/until.ts';

let product: TracedProduct;
afterEach(() => product?.end());

const named = (name: string, service?: string) => product.spans.filter((span) => span.name === name && (service ?? span.service) === span.service);

/** Key of the message whose mail went to this person, once the trace has its last span. */
async function keyOnceConsumed(count = 1): Promise<string> {
  await until('TPC has heard that all is consumed', () => named('mark_consumed').length >= count, 20_000);
  await until('and has answered', () => named('report_consumed').length >= count && named('UPDATE tpc_inbox').length > 0, 20_000);
  return named('SEND_EMAIL_TOPIC create')[0]?.attributes.messageKey as string;
}

const pathOf = (span: SeenSpan) => pathIn(product.spans, span);
const isCopy = ({ attributes }: SeenSpan) => attributes[BATCH_COPY] === true;

/** What travels in batches, as it stands in each message's trace: requests, and statements. */
const HOPS_OF_STEPS = [
  ['uac tpc.v1.ReliableMessageService/BatchSaveMessageWaitingConfirm', ...PREPARE],
  ['uac tpc.v1.ReliableMessageService/BatchConfirmAndSendMessage', ...CONFIRM],
  ['tpc INSERT message', 'tpc SEND_EMAIL_TOPIC prepare', ...PREPARE],
  ['tpc BATCH message', 'tpc confirm', ...CONFIRM],
  ['tpc SEND_EMAIL_TOPIC send', ...PUBLISH],
  ['opc INSERT tpc_inbox', ...RECEIVE],
];

describe('a registration', () => {
  it('is one trace from the request to the last report, every hop below the one that caused it', async () => {
    product = await TracedProduct.start();
    expect(await product.register('traceann', '13911112222')).toBe(200);
    const key = await keyOnceConsumed();
    const of = product.of(key);
    const [{ traceId } = { traceId: '' }] = of;
    expect(of.filter((span) => span.traceId !== traceId)).toEqual([]);
    expect(missingHops(product.spans, [...HOPS_TO_PREPARED, ...HOPS_OF_CONFIRM, ...HOPS_FROM_PUBLISH])).toEqual([]);
    expect(product.spans.filter(({ failed }) => failed)).toEqual([]);
  });

  it('stands in one trace with a full set of hops for each of many at once, whose batches have one span with links', async () => {
    // A crowd on a busy machine must not be taken for a slow TPC: those would be sent whole, with other hops.
    product = await TracedProduct.start({ UAC_PREPARE_BUDGET_MS: '10000' });
    const people = Array.from({ length: 24 }, (_, index) => product.register(`crowd${index}`, `139000000${String(index).padStart(2, '0')}`));
    expect(new Set(await Promise.all(people))).toEqual(new Set([200]));
    await keyOnceConsumed(people.length);
    const created = named('SEND_EMAIL_TOPIC create');
    expect(created).toHaveLength(people.length);
    for (const { attributes, traceId } of created) {
      const own = product.of(String(attributes.messageKey)).filter((span) => !span.attributes['messaging.batch.message_count']);
      expect(new Set(own.map((span) => span.traceId))).toEqual(new Set([traceId]));
      const trace = product.spans.filter((span) => span.traceId === traceId);
      expect(missingHops(trace, OWN_HOPS)).toEqual([]);
    }
    const sizeOf = (span: SeenSpan) => Number(span.attributes['messaging.batch.message_count'] ?? span.attributes['db.operation.batch.size'] ?? 1);
    // What is noted after an answer is linked one way: the message's own span has ended by then.
    const batches = product.spans.filter((span) => sizeOf(span) > 1 && !isCopy(span) && !span.name.startsWith('UPDATE '));
    expect(batches.length).toBeGreaterThan(0);
    for (const batch of batches) {
      expect(batch.links).toHaveLength(sizeOf(batch));
      for (const link of batch.links) {
        const member = product.spans.find(({ spanId }) => spanId === link.spanId) as SeenSpan;
        expect(member.links).toContainEqual({ traceId: batch.traceId, spanId: batch.spanId });
      }
    }
  }, 60_000);

  it('shows each step of a batch of two in both traces, and says which span is the copy', async () => {
    product = await TracedProduct.start({ UAC_PREPARE_BUDGET_MS: '10000' });
    let people = 0;
    const registerTwo = () => {
      const two = [people++, people++].map((number) => product.register(`pair${number}`, `139111144${String(number).padStart(2, '0')}`));
      return Promise.all(two);
    };
    const servedTwo = async () => {
      expect(await registerTwo()).toEqual([200, 200]);
      return product.spans.some(isCopy);
    };
    await until('some step has served two messages at once', servedTwo, 30_000);
    await keyOnceConsumed(people);
    for (const copy of product.spans.filter(isCopy)) {
      const first = product.spans.find(({ spanId }) => spanId === copy.links[0]?.spanId) as SeenSpan;
      expect([copy.name, copy.service, copy.failed]).toEqual([first.name, first.service, first.failed]);
      expect(copy.traceId).not.toBe(first.traceId);
    }
    const steps = HOPS_OF_STEPS.map((hop) => hop.join(' < '));
    for (const { traceId } of named('SEND_EMAIL_TOPIC create')) {
      const trace = product.spans.filter((span) => span.traceId === traceId);
      expect(trace.map((span) => pathOf(span).join(' < '))).toEqual(expect.arrayContaining(steps));
    }
  }, 60_000);

  it('shows no address, name, number, password or text of the mail in any span', async () => {
    product = await TracedProduct.start();
    await product.register('discreetann', '13987654321');
    await keyOnceConsumed();
    const said = JSON.stringify(product.spans).toLowerCase();
    for (const secret of ['discreetann', 'example.com', '13987654321', 'str0ng-pass', 'activeuser/', 'dear ']) expect(said).not.toContain(secret);
  });
});

describe('the trace goes on', () => {
  it.each([
    ['the producer sends the message after its return', false],
    ['the sweeper of a restarted producer sends the message', true],
  ])(
    'when TPC was away at the commit, and %s',
    async (_who, restarted) => {
      product = await TracedProduct.start();
      await product.stop('tpc');
      expect(await product.register('sweptann', '13911112223')).toBe(200);
      if (restarted) await product.stop('uac');
      await product.start('tpc');
      if (restarted) await product.start('uac');
      const key = await keyOnceConsumed();
      const sent = product.of(key).filter((span) => span.name === 'SEND_EMAIL_TOPIC save_and_send');
      expect(sent.map((span) => [span.attributes['tpc.via'], span.failed])).toContainEqual([restarted ? 'sweep' : undefined, false]);
      expect(sent.map((span) => pathOf(span))).toContainEqual(['uac SEND_EMAIL_TOPIC save_and_send', ...CREATE]);
      expect(new Set(product.of(key).map(({ traceId }) => traceId)).size).toBe(1);
      expect(named('SEND_EMAIL_TOPIC publish').map(pathOf)).toEqual([PUBLISH]);
      expect(named('SMTP send').map(pathOf)).toEqual([['opc SMTP send', ...PROCESS]]);
    },
    60_000,
  );

  it('when the broker was away at the confirm, and a worker publishes later: linked to the publish that failed', async () => {
    product = await TracedProduct.start({ TPC_PUBLISH_RETRY_FIRST_MS: '100', TPC_PUBLISH_RETRY_MAX_MS: '500' });
    await product.stop('broker');
    expect(await product.register('laterann', '13911112224')).toBe(200);
    await until('the publish has failed', () => named('SEND_EMAIL_TOPIC publish').some(({ failed }) => failed), 20_000);
    await product.start('broker');
    await keyOnceConsumed();
    const publishes = named('SEND_EMAIL_TOPIC publish');
    const [first] = publishes;
    expect(publishes.map(pathOf)).toEqual(publishes.map(() => PUBLISH));
    expect(publishes.slice(1).map(({ links }) => links)).toEqual(publishes.slice(1).map(() => [{ traceId: first?.traceId, spanId: first?.spanId }]));
    expect(publishes.at(-1)?.failed).toBe(false);
  }, 60_000);

  it('when an operator sends it again: the publish is linked to the one it repeats, and the message is handled again below it', async () => {
    product = await TracedProduct.start();
    expect(await product.register('againann', '13911112225')).toBe(200);
    const key = await keyOnceConsumed();
    await resend(key);
    await until('it is published again', () => named('SEND_EMAIL_TOPIC publish').length === 2, 20_000);
    await until('it is processed again', () => named('SEND_EMAIL_TOPIC process').length === 2, 20_000);
    const [first, second] = named('SEND_EMAIL_TOPIC publish');
    expect(pathOf(second as SeenSpan)).toEqual(PUBLISH);
    expect(named('SEND_EMAIL_TOPIC process').map(({ parentId }) => parentId)).toEqual([first?.spanId, second?.spanId]);
    expect(second?.links).toEqual([{ traceId: first?.traceId, spanId: first?.spanId }]);
    expect(named('SEND_EMAIL_TOPIC resend').map(pathOf)).toEqual([['tpc SEND_EMAIL_TOPIC resend', ...CREATE]]);
    expect(new Set(product.of(key).map(({ traceId }) => traceId)).size).toBe(1);
  }, 60_000);

  it('when the broker has lost it, and TPC publishes it again for the group that has not received it', async () => {
    product = await TracedProduct.start({
      TPC_REDELIVER_FIRST_MS: '500',
      TPC_REDELIVER_PASSED_MS: '0',
      TPC_REDELIVER_POLL_MS: '100',
      TPC_HEARTBEAT_INTERVAL_MS: '1000',
    });
    await product.stop('opc');
    expect(await product.register('lostann', '13911112228')).toBe(200);
    await until('it is published', () => named('SEND_EMAIL_TOPIC publish').length === 1, 20_000);
    await product.loseBroker();
    await product.start('opc');
    // A younger message overtakes it: so it must be lost.
    expect(await product.register('nextann', '13911112229')).toBe(200);
    const key = await keyOnceConsumed(2);
    const [first, ...more] = product.of(key).filter(({ name }) => name === 'SEND_EMAIL_TOPIC publish');
    expect(more.length).toBeGreaterThan(0);
    for (const publish of more) expect([pathOf(publish), publish.links]).toEqual([PUBLISH, [{ traceId: first?.traceId, spanId: first?.spanId }]]);
    expect(more.at(-1)?.attributes['messaging.consumer.group.name']).toBe('CID_OPC');
  }, 60_000);

  it('when TPC has to ask for the outcome: question, verdict and what follows stand below one another', async () => {
    product = await TracedProduct.start({ TPC_CHECK_FIRST_MS: '1000', TPC_CHECK_POLL_MS: '100' });
    const key = '0190a0a0-0000-7000-8000-00000000abcd';
    const traceId = 'a'.repeat(32);
    await prepare(key, `00-${traceId}-${'b'.repeat(16)}-00`);
    await until('the verdict is taken', () => product.of(key).some(({ name, service }) => name === 'verdict' && service === 'tpc'), 20_000);
    const [verdict] = product.of(key).filter(({ name, service }) => name === 'verdict' && service === 'tpc');
    expect(pathOf(verdict as SeenSpan)).toEqual(['tpc verdict', 'uac SEND_EMAIL_TOPIC verdict', 'tpc SEND_EMAIL_TOPIC check_back']);
    expect(new Set(product.of(key).map((span) => span.traceId))).toEqual(new Set([traceId]));
  }, 60_000);
});

describe('a trace that the edge does not keep', () => {
  it('costs no span', async () => {
    product = await TracedProduct.start({}, 0);
    expect(await product.register('quietann', '13911112226')).toBe(200);
    await until('the mail is there', async () => (await product.mails()).length === 1);
    expect(product.spans).toEqual([]);
  });

  it('is kept once the sweeper has to send the message, through to the last report', async () => {
    product = await TracedProduct.start({}, 0);
    await product.stop('tpc');
    expect(await product.register('unsweptann', '13911112230')).toBe(200);
    await product.start('tpc');
    await until('TPC has heard that it is consumed', () => named('mark_consumed').length === 1, 30_000);
    for (const name of ['save_and_send', 'publish', 'receive', 'process']) expect(named(`SEND_EMAIL_TOPIC ${name}`), name).not.toEqual([]);
    expect(new Set(product.spans.map(({ traceId }) => traceId)).size).toBe(1);
  }, 60_000);

  it('is kept from the first failure on: the failed try, the next one, and what follows', async () => {
    product = await TracedProduct.start({ OPC_RETRY_FIRST_MS: '100', OPC_RETRY_MAX_MS: '200', OPC_DEFER_FIRST_MS: '100' }, 0);
    await product.stop('mail');
    expect(await product.register('unluckyann', '13911112227')).toBe(200);
    await until('a try has failed', () => named('SEND_EMAIL_TOPIC process').some(({ failed }) => failed), 20_000);
    await product.start('mail');
    await until('TPC has heard that it is consumed', () => named('mark_consumed').length === 1, 20_000);
    const tries = named('SEND_EMAIL_TOPIC process');
    expect(tries.map(({ attributes }) => attributes['tpc.attempt'])).toEqual(tries.map((_, index) => index + 1));
    expect(tries.at(-1)?.failed).toBe(false);
    expect(new Set(product.spans.map(({ traceId }) => traceId)).size).toBe(1);
    expect(named('SEND_EMAIL_TOPIC create')).toEqual([]);
  }, 60_000);
});

function resend(messageKey: string): Promise<unknown> {
  const client = new MessageAdminServiceClient(product.tpc, credentials.createInsecure());
  const request = { messageKey, consumerGroups: ['CID_OPC'], requestId: '', comment: '' };
  return new Promise((resolve, reject) =>
    client.resendMessage(request as never, (error, answer) => (error ? reject(error) : resolve(answer))),
  ).finally(() => client.close());
}

const NO_ORDER = { delayLevel: 0, deliverTime: undefined, orderKey: '', orderSeq: 0n };

/** Prepares a message of UAC's that its database knows nothing of. */
async function prepare(messageKey: string, traceparent: string): Promise<void> {
  const client = new ReliableMessageServiceClient(product.tpc, credentials.createInsecure());
  const message = {
    messageKey,
    topic: 'SEND_EMAIL_TOPIC',
    tag: 'ACTIVE_USER',
    text: '{}',
    contentType: '',
    headers: {},
    traceparent,
    tracestate: '',
    ...NO_ORDER,
  };
  const request = { producerGroup: 'PID_UAC', storeId: product.uacStoreId, message };
  await new Promise((resolve, reject) =>
    client.saveMessageWaitingConfirm(request as never, (error, answer) => (error ? reject(error) : resolve(answer))),
  ).finally(() => client.close());
}
