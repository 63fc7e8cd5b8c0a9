export type { FakeMessage } from './fake-ledger.ts';
export { FakeRefusal } from './fake-refusal.ts';
export { type FakeCall, type FakeCallHook, type FakeItemHook, type FakeMethod, FakeTpc } from './fake-tpc.ts';
export { MemoryBroker, type MemoryDelivery } from './memory-broker.ts';
