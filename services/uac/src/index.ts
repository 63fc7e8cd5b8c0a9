export { configSchema, type UacConfig } from './config.ts';
export { startUacService, type UacService } from './service.ts';
