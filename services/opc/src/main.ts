import { createLog, runProgram } from '@tpc/platform';
import { configSchema } from './config.ts';
import { migrateOpc, startOpcService } from './service.ts';

await runProgram(
  {
    name: 'opc',
    about: 'OPC, operations: receives messages from RocketMQ and sends mails by SMTP.',
    schema: configSchema,
    migrate: (config, stopping) =>
      migrateOpc({ config, log: createLog({ service: 'opc', level: config.LOG_LEVEL, format: config.LOG_FORMAT }), stopping }),
    start: (config, stopping) =>
      startOpcService({ config, log: createLog({ service: 'opc', level: config.LOG_LEVEL, format: config.LOG_FORMAT }), stopping }),
  },
  { args: process.argv.slice(2), env: process.env },
);
