import { createLog, loadConfig, runMain } from '@tpc/platform';
import { configSchema } from './config.ts';
import { startTpcService } from './service.ts';

await runMain('tpc', async () => {
  const config = loadConfig(configSchema, process.env);
  const log = createLog({ service: 'tpc', level: config.LOG_LEVEL, format: config.LOG_FORMAT });
  return startTpcService({ config, log });
});
