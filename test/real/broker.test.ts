import { exerciseBroker } from '@tpc/conformance';
import { describe } from 'vitest';
import { makeGroups, makeTopics } from '../../tools/stack/rocketmq/parts.ts';
import type { Stack } from '../../tools/stack/stack.ts';
import { realStack } from '../support/real-stack.ts';

const found = await realStack();

/** Each stop is a kill -9 of broker and proxy, each start a start on what that left. */
describe.skipIf(!found)('RocketMQ', () => {
  const stack = found as Stack;
  exerciseBroker('RocketMQ 5.5.0', async () => {
    const broker = stack.part('broker');
    await broker.start();
    return {
      endpoints: stack.addresses.BROKER_ENDPOINTS as string,
      prepare: async ({ topics, groups }) => {
        await makeGroups(stack.settings, groups);
        await makeTopics(stack.settings, topics);
      },
      stop: () => broker.kill(),
    };
  });
});
