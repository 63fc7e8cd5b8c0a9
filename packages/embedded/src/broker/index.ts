export type { EmbeddedBrokerOptions } from './options.ts';
export { type EmbeddedBroker, startEmbeddedBroker } from './start.ts';
