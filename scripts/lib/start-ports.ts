/** The settings of the ports that `npm start` opens. */
export const START_PORTS = [
  'UAC_HTTP_PORT',
  'INBOX_HTTP_PORT',
  'SMTP_PORT',
  'BROKER_GRPC_PORT',
  'TPC_GRPC_PORT',
  'UAC_GRPC_PORT',
  'OPC_GRPC_PORT',
  'TPC_METRICS_PORT',
  'UAC_METRICS_PORT',
  'OPC_METRICS_PORT',
] as const;
