export { type ConnectTpcOptions, connectTpc, type TpcCallOptions, type TpcClient, type TpcConnection } from './connect.ts';
export { type TpcSettings, tpcOptionsFrom } from './settings.ts';
export { type TlsFiles, tlsCredentials } from './tls.ts';
export { type TokenSource, tokenFromFile } from './token.ts';
export { errorOfItem, MAX_RETRY_AFTER_MS, type StatusName, TpcError, toTpcError } from './tpc-error.ts';
