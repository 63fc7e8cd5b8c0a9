import { createLog, runProgram } from '@tpc/platform';
import { configSchema } from './config.ts';
import { migrateUac, startUacService } from './service.ts';

await runProgram(
  {
    name: 'uac',
    about: 'UAC, user accounts: registration, activation and login over HTTP and gRPC. Sends its mails as reliable messages through TPC.',
    schema: configSchema,
    migrate: (config, stopping) =>
      migrateUac({ config, log: createLog({ service: 'uac', level: config.LOG_LEVEL, format: config.LOG_FORMAT }), stopping }),
    start: (config, stopping) =>
      startUacService({ config, log: createLog({ service: 'uac', level: config.LOG_LEVEL, format: config.LOG_FORMAT }), stopping }),
  },
  { args: process.argv.slice(2), env: process.env },
);
