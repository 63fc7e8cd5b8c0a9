import { logFrom, runProgram } from '@tpc/platform';
import { configSchema } from './config.ts';
import { startTpcService } from './service.ts';

await runProgram(
  {
    name: 'tpc',
    about:
      'TPC, the reliable-message service: takes messages from producers over gRPC, publishes them to RocketMQ and follows them until every subscribed group has consumed them.',
    schema: configSchema,
    start: (config) => startTpcService({ config, log: logFrom('tpc', config) }),
  },
  { args: process.argv.slice(2), env: process.env },
);
