import { createLog, runProgram } from '@tpc/platform';
import { configSchema } from './config.ts';
import { migrateTpc, startTpcService } from './service.ts';

await runProgram(
  {
    name: 'tpc',
    about:
      'TPC, the reliable-message service: takes messages from producers over gRPC, publishes them to RocketMQ and follows them until every subscribed group has consumed them.',
    schema: configSchema,
    migrate: (config, stopping) =>
      migrateTpc({ config, log: createLog({ service: 'tpc', level: config.LOG_LEVEL, format: config.LOG_FORMAT }), stopping }),
    start: (config) => startTpcService({ config, log: createLog({ service: 'tpc', level: config.LOG_LEVEL, format: config.LOG_FORMAT }) }),
  },
  { args: process.argv.slice(2), env: process.env },
);
