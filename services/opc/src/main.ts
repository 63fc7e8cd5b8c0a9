import { createLog, loadConfig, runMain } from '@tpc/platform';
import { configSchema } from './config.ts';
import { startOpcService } from './service.ts';

await runMain('opc', async (stopping) => {
  const config = loadConfig(configSchema, process.env);
  const log = createLog({ service: 'opc', level: config.LOG_LEVEL, format: config.LOG_FORMAT });
  return startOpcService({ config, log, stopping });
});
