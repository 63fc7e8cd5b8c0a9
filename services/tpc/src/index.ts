export { configSchema, type TpcConfig } from './config.ts';
export { startTpcService, type TpcService } from './service.ts';
