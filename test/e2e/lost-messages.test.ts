import { startTestBroker } from '../../services/tpc/test/broker-kit.ts';
import { exerciseLosses } from '../support/suites/lost-messages.ts';

exerciseLosses('the embedded broker', async () => {
  const broker = await startTestBroker();
  return { endpoints: broker.endpoints, prepare: async () => {}, drop: () => broker.drop() };
});
