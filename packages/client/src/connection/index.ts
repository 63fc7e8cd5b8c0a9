export { type ConnectTpcOptions, connectTpc, type TpcCallOptions, type TpcClient, type TpcConnection } from './connect.ts';
export { errorOfItem, type StatusName, TpcError, toTpcError } from './tpc-error.ts';
