import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Verdict } from '../../domain/states.ts';
import { contentOf, copiesOf, itemOf, letTimePass, newClaim, PRODUCER, rowOf, STORE_ID, subscribe } from './fixtures.ts';
import { MessageModel } from './message-model.ts';
import { openSqlite, type TestStore } from './stores.ts';

const KEY = `${PRODUCER}:1`;
const GROUPS = ['CID_A', 'CID_B'] as const;
const OUTCOMES = ['published', 'retry', 'refused'] as const;

const step = fc.oneof(
  fc.record({ call: fc.constant('subscribe' as const), group: fc.constantFrom(...GROUPS) }),
  fc.record({ call: fc.constant('save' as const), content: fc.constantFrom('a', 'b') }),
  fc.record({ call: fc.constant('confirm' as const), verdict: fc.boolean() }),
  fc.record({ call: fc.constant('saveAndSend' as const), content: fc.constantFrom('a', 'a', 'b'), committed: fc.boolean() }),
  fc.record({ call: fc.constant('delete' as const) }),
  fc.record({ call: fc.constant('rolledBack' as const) }),
  fc.record({ call: fc.constant('publish' as const), outcome: fc.constantFrom(...OUTCOMES) }),
  fc.record({ call: fc.constant('redeliver' as const), outcome: fc.constantFrom(...OUTCOMES) }),
  fc.record({
    call: fc.constant('mark' as const),
    group: fc.constantFrom(...GROUPS),
    kind: fc.constantFrom('received' as const, 'consumed' as const, 'failed' as const),
    stale: fc.boolean(),
  }),
  fc.record({ call: fc.constant('resume' as const) }),
  fc.record({ call: fc.constant('resend' as const), groups: fc.subarray([...GROUPS]) }),
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

/** Most sequences begin with a subscriber and a prepared message: without them little can happen. */
const beginning = fc.constantFrom<Step[]>(
  [],
  [{ call: 'subscribe', group: 'CID_A' }],
  [
    { call: 'subscribe', group: 'CID_A' },
    { call: 'save', content: 'a' },
  ],
  [
    { call: 'subscribe', group: 'CID_A' },
    { call: 'subscribe', group: 'CID_B' },
    { call: 'save', content: 'a' },
  ],
);
const sequence = fc.tuple(beginning, fc.array(step, { minLength: 5, maxLength: 30 })).map(([first, rest]) => [...first, ...rest]);

const content = (body: string) => contentOf({ body: Buffer.from(body) });
const item = (body: string) => ({ ...itemOf(KEY), content: content(body) });

/** Runs a call on the store and on the model. @returns both answers */
async function take(test: TestStore, model: MessageModel, { ...does }: Step): Promise<[unknown, unknown]> {
  const { store } = test;
  switch (does.call) {
    case 'subscribe':
      model.subscribers.add(does.group);
      return [await subscribe(test, does.group), undefined];
    case 'save':
      return [bare((await store.saveMessages([item(does.content)]))[0]), model.save(does.content)];
    case 'confirm':
      return [bare(await confirm(test, does.verdict)), model.confirm()];
    case 'saveAndSend': {
      const { results } = await store.saveAndSendMessages([{ ...item(does.content), committed: does.committed }], newClaim());
      return [bare(results[0]), model.saveAndSend(does.content, does.committed)];
    }
    case 'delete':
      return [bare((await store.deleteMessages([{ producerGroup: PRODUCER, messageKey: KEY }]))[0]), model.delete()];
    case 'rolledBack': {
      const verdict = { producerGroup: PRODUCER, storeId: STORE_ID, messageKey: KEY, verdict: Verdict.ROLLED_BACK };
      return [bare((await store.applyVerdicts([verdict], newClaim())).results[0]), model.rolledBack()];
    }
    case 'mark': {
      const generation = does.stale ? 1 : (model.copies.get(does.group)?.generation ?? 1);
      const mark = { consumerGroup: does.group, messageKey: KEY, generation, kind: does.kind, reason: 'X', detail: '' };
      return [(await store.markDeliveries([mark]))[0], { tracked: model.mark(does.group, does.kind, generation) }];
    }
    case 'publish':
      return [await publishDue(test, does.outcome), model.publish(does.outcome)];
    case 'redeliver':
      return [await redeliver(test, does.outcome), model.redeliver(does.outcome)];
    case 'resume':
      return [await store.resumeUnsubscribed(10), model.resume()];
    case 'resend': {
      const result = await store.resendMessage({ messageKey: KEY, consumerGroups: does.groups, requestId: '', actor: 'op', comment: '' });
      return ['refused' in result ? { refused: result.refused } : { groups: [...result.consumerGroups].sort() }, model.resend(does.groups)];
    }
  }
}

/** Only what the model answers: state or refusal. */
function bare(result: unknown): unknown {
  const { state, refused } = result as { state?: number; refused?: string };
  return refused === undefined ? { state } : { refused };
}

async function confirm(test: TestStore, verdict: boolean): Promise<unknown> {
  const named = { producerGroup: PRODUCER, messageKey: KEY };
  if (!verdict) return (await test.store.confirmMessages([named], newClaim())).results[0];
  return (await test.store.applyVerdicts([{ ...named, storeId: STORE_ID, verdict: Verdict.COMMITTED }], newClaim())).results[0];
}

async function publishDue(test: TestStore, outcome: (typeof OUTCOMES)[number]): Promise<boolean> {
  await letTimePass(test);
  const claim = newClaim();
  const items = await test.store.claimDueToPublish(10, claim);
  const results = items.map(({ messageId, attempts }) => ({ messageId, attempts, outcome }));
  expect(await test.store.recordPublishResults(claim.token, results)).toBe(items.length);
  return items.length > 0;
}

async function redeliver(test: TestStore, outcome: (typeof OUTCOMES)[number]): Promise<string[]> {
  await letTimePass(test);
  const claim = newClaim();
  const { items } = await test.store.claimDueRedeliveries(10, claim);
  const results = items.map(({ messageId, attempts, consumerGroup }) => ({ messageId, attempts, consumerGroup, outcome }));
  await test.store.recordRedeliveryResults(claim.token, results);
  return items.map((one) => one.consumerGroup).sort();
}

async function expectAlike(test: TestStore, model: MessageModel): Promise<void> {
  if (model.place === 'NONE') return;
  const row = await rowOf(test, KEY);
  expect([row.state, row.generation]).toEqual([model.state, model.generation]);
  const copies = (await copiesOf(test, KEY)).map((copy) => [copy.name, copy.status, copy.dead === 1, copy.generation]);
  expect(copies).toEqual([...model.copies].sort().map(([name, copy]) => [name, copy.status, copy.dead, copy.generation]));
}

describe('any sequence of calls on a message', () => {
  let test: TestStore;
  beforeAll(async () => {
    test = await openSqlite();
  });
  afterAll(() => test.close());

  it('is answered, and leaves the message, as the model says', async () => {
    await fc.assert(
      fc.asyncProperty(sequence, async (steps) => {
        await test.reset();
        const model = new MessageModel();
        for (const [place, does] of steps.entries()) {
          const [real, expected] = await take(test, model, does);
          expect([place, does, real]).toEqual([place, does, expected]);
          await expectAlike(test, model);
        }
      }),
      { numRuns: 250 },
    );
  }, 60_000);
});
