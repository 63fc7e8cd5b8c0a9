import { logFrom, runProgram } from '@tpc/platform';
import { configSchema } from './config.ts';
import { startUacService } from './service.ts';

await runProgram(
  {
    name: 'uac',
    about: 'UAC, user accounts: registration, activation and login over HTTP and gRPC. Sends its mails as reliable messages through TPC.',
    schema: configSchema,
    start: (config, stopping) => startUacService({ config, log: logFrom('uac', config), stopping }),
  },
  { args: process.argv.slice(2), env: process.env },
);
