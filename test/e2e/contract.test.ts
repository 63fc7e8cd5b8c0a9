import { OutgoingMessage } from '@tpc/gen/tpc/v1/message';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkMessage } from '../../packages/client/src/producer/domain/message.ts';
import { newKey } from '../../packages/client/src/producer/domain/new-key.ts';
import { type OutboxContent, toOutgoing } from '../../packages/client/src/producer/outbox/content-codec.ts';
import { readCommittedMessage, readOutgoingMessage } from '../../services/tpc/src/grpc/producers/outgoing-message.ts';
import { startTestBroker } from '../../services/tpc/test/broker-kit.ts';
import { mariaDatabase } from '../../services/tpc/test/support.ts';
import { exerciseContract } from '../support/contract/contract-suite.ts';
import { anyMessage, GROUP } from '../support/contract/random-messages.ts';

const RULES = { producerGroup: GROUP, maxBodyBytes: 1024 * 1024 };
const NO_TRACE = { traceparent: '', tracestate: '' };

/** What the library would hand over for a message, were it not to check it; as TPC receives it. */
function asReceived(message: OutboxContent): OutgoingMessage {
  return OutgoingMessage.decode(OutgoingMessage.encode(toOutgoing(message)).finish());
}

function attempt<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch {
    return undefined;
  }
}

describe('the same random message before the library and before TPC', () => {
  const judged = anyMessage().map((message) => {
    const { topic, tag = '', contentType = '', headers = {}, key = newKey() } = message;
    const body = typeof message.body === 'string' ? Buffer.from(message.body) : Buffer.from(message.body);
    const content: OutboxContent = { key, topic, tag, body, contentType, headers, sendType: 'SAVE_AND_SEND', ...NO_TRACE };
    return { message, content, received: asReceived(content) };
  });
  /** UTF-8 cannot carry half of a surrogate pair, and an object no own `__proto__`: TPC sees something else. */
  const canTravel = ({ message, content }: { message: { body: unknown }; content: OutboxContent }) =>
    !Object.hasOwn(content.headers, '__proto__') &&
    [content.key, content.topic, content.tag, content.contentType, message.body, ...Object.entries(content.headers).flat()].every(
      (text) => typeof text !== 'string' || text.isWellFormed(),
    );

  it('is taken by both or by neither, and arrives as it was handed over', () => {
    let [taken, refused] = [0, 0];
    fc.assert(
      fc.property(judged, ({ message, content, received }) => {
        const byLibrary = attempt(() => checkMessage(message, GROUP));
        const byTpc = attempt(() => readOutgoingMessage('message', received, RULES, NO_TRACE));
        if (canTravel({ message, content })) expect(byTpc !== undefined).toBe(byLibrary !== undefined);
        else expect(byLibrary).toBeUndefined();
        if (byLibrary === undefined) return void refused++;
        taken++;
        const { topic, tag, body, contentType, headers } = byLibrary;
        expect(byTpc).toMatchObject({ messageKey: content.key, content: { topic, tag, contentType, headers } });
        expect(byTpc?.content.body.equals(body)).toBe(true);
      }),
      { numRuns: 1_000 },
    );
    // A generator that makes only good or only bad ones would prove nothing.
    expect(Math.min(taken, refused)).toBeGreaterThan(100);
  });

  it('is never refused once it has committed', () => {
    fc.assert(
      fc.property(judged, ({ received }) => {
        const { invalid } = readCommittedMessage('message', received, RULES, NO_TRACE);
        expect(invalid === undefined).toBe(attempt(() => readOutgoingMessage('message', received, RULES, NO_TRACE)) !== undefined);
      }),
      { numRuns: 500 },
    );
  });
});

exerciseContract('MariaDB and the embedded broker', async () => {
  const broker = await startTestBroker();
  const [tpc, outbox] = [await mariaDatabase(), await mariaDatabase()];
  return {
    endpoints: broker.endpoints,
    tpcUrl: tpc.url,
    outboxUrl: outbox.url,
    prepare: async () => {},
    drop: async () => {
      await Promise.all([broker.drop(), tpc.drop(), outbox.drop()]);
    },
  };
});
