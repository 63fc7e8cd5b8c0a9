import { describe } from 'vitest';
import { mariaDatabase } from '../../services/tpc/test/support.ts';
import { makeGroups, makeTopics } from '../../tools/stack/rocketmq/parts.ts';
import type { Stack } from '../../tools/stack/stack.ts';
import { exerciseContract } from '../support/contract/contract-suite.ts';
import { realStack } from '../support/real-stack.ts';

const found = await realStack();

describe.skipIf(!found)('on the real stack', () => {
  const stack = found as Stack;
  exerciseContract('MariaDB and RocketMQ', async () => {
    const [tpc, outbox] = [await mariaDatabase(), await mariaDatabase()];
    return {
      endpoints: stack.addresses.BROKER_ENDPOINTS as string,
      tpcUrl: tpc.url,
      outboxUrl: outbox.url,
      prepare: async (topic, group) => {
        await makeGroups(stack.settings, [group]);
        await makeTopics(stack.settings, [topic]);
      },
      drop: async () => {
        await Promise.all([tpc.drop(), outbox.drop()]);
      },
    };
  });
});
