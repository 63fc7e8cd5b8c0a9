import { DATABASE_PASSWORD, DATABASE_USER, HOST, type StackSettings } from './settings.ts';

/**
 * The services' settings on this stack (docs/configuration.md).
 * @param tracing whether Jaeger is part of it
 */
export function serviceAddresses(settings: StackSettings, tracing: boolean): Readonly<Record<string, string>> {
  const database = (name: string) => `mysql://${DATABASE_USER}:${DATABASE_PASSWORD}@${HOST}:${settings.STACK_MYSQL_PORT}/${name}`;
  return {
    TPC_DATABASE_URL: database('tpc'),
    UAC_DATABASE_URL: database('uac'),
    OPC_DATABASE_URL: database('opc'),
    KEY_VALUE_URL: `redis://${HOST}:${settings.STACK_REDIS_PORT}`,
    BROKER_ENDPOINTS: `${HOST}:${settings.STACK_BROKER_PORT}`,
    SMTP_HOST: HOST,
    SMTP_PORT: String(settings.STACK_SMTP_PORT),
    INBOX_URL: `http://${HOST}:${settings.STACK_INBOX_PORT}`,
    ...(tracing
      ? {
          OTEL_EXPORTER_OTLP_ENDPOINT: `http://${HOST}:${settings.STACK_OTLP_PORT}`,
          JAEGER_URL: `http://${HOST}:${settings.STACK_JAEGER_PORT}`,
        }
      : {}),
  };
}
