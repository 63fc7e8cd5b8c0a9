import { createLog, loadConfig, runMain } from '@tpc/platform';
import { configSchema } from './config.ts';
import { startUacService } from './service.ts';

await runMain('uac', async (stopping) => {
  const config = loadConfig(configSchema, process.env);
  const log = createLog({ service: 'uac', level: config.LOG_LEVEL, format: config.LOG_FORMAT });
  return startUacService({ config, log, stopping });
});
