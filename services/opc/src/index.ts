export { configSchema, type OpcConfig } from './config.ts';
export { type OpcService, type OpcState, startOpcService } from './service.ts';
