import { describe } from 'vitest';
import { makeGroups, makeTopics } from '../../tools/stack/rocketmq/parts.ts';
import type { Stack } from '../../tools/stack/stack.ts';
import { realStack } from '../support/real-stack.ts';
import { exerciseLosses } from '../support/suites/lost-messages.ts';

const found = await realStack();

describe.skipIf(!found)('on the real stack', () => {
  const stack = found as Stack;
  exerciseLosses('RocketMQ', async () => ({
    endpoints: stack.addresses.BROKER_ENDPOINTS as string,
    prepare: async (topics, group) => {
      await makeGroups(stack.settings, [group]);
      await makeTopics(stack.settings, topics);
    },
    drop: async () => {},
  }));
});
