import { logFrom, runProgram } from '@tpc/platform';
import { configSchema } from './config.ts';
import { startOpcService } from './service.ts';

await runProgram(
  {
    name: 'opc',
    about: 'OPC, operations: receives messages from RocketMQ and sends mails by SMTP.',
    schema: configSchema,
    start: (config, stopping) => startOpcService({ config, log: logFrom('opc', config), stopping }),
  },
  { args: process.argv.slice(2), env: process.env },
);
