import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { StartError } from '../errors.ts';
import { type Protocol, whatAnswers } from '../net/what-answers.ts';
import { secretSetting } from './config.ts';

/** How a service reaches the broker: the same settings in every service. */
export const brokerSettings = () => ({
  BROKER_ENDPOINTS: z
    .string()
    .regex(/^[^\s:;]+:\d+(;[^\s:;]+:\d+)*$/, 'expected host:port, or several with ; between them')
    .default('127.0.0.1:8081')
    .describe("Address of the broker (RocketMQ 5's proxy, or the embedded broker): host:port, several with ; between them."),
  BROKER_TLS: z
    .enum(['true', 'false'], 'expected true or false')
    .default('false')
    .transform((value) => value === 'true')
    .describe('true: TLS to the broker.'),
  BROKER_CA_FILE: z
    .string()
    .optional()
    .describe("File with the authorities that may have signed the broker's certificate, PEM. Default: those that Node knows."),
  BROKER_ACCESS_KEY: z.string().optional().describe("Access key of RocketMQ's ACL; empty: none."),
  BROKER_SECRET_KEY: secretSetting(z.string().optional().describe('Secret of BROKER_ACCESS_KEY.')),
  BROKER_NAMESPACE: z.string().default('').describe("RocketMQ's namespace; empty: none."),
});

type BrokerConfig = z.output<z.ZodObject<ReturnType<typeof brokerSettings>>>;

/** In the form that the broker adapter takes. */
export type BrokerConnection = {
  endpoints: string;
  namespace: string;
  tls: boolean | { ca: Buffer };
  credentials: { accessKey: string; accessSecret: string } | undefined;
};

/**
 * Reads the settings into a connection, and looks whether the ports belong to a broker. One that is away is no error.
 * @throws StartError with one line that names the setting
 */
export async function brokerConnectionFrom(config: BrokerConfig): Promise<BrokerConnection> {
  const { BROKER_ACCESS_KEY: accessKey, BROKER_SECRET_KEY: accessSecret, BROKER_CA_FILE: caFile, BROKER_TLS: tls } = config;
  if ((accessKey === undefined) !== (accessSecret === undefined))
    throw new StartError('bad setting: BROKER_ACCESS_KEY and BROKER_SECRET_KEY belong together');
  if (caFile !== undefined && !tls) throw new StartError('bad setting: BROKER_CA_FILE without BROKER_TLS=true');
  const ca = caFile === undefined ? undefined : readAuthorities(caFile);
  for (const endpoint of config.BROKER_ENDPOINTS.split(';')) await refuseStranger(endpoint, tls);
  return {
    endpoints: config.BROKER_ENDPOINTS,
    namespace: config.BROKER_NAMESPACE,
    tls: tls && ca ? { ca } : tls,
    credentials: accessKey !== undefined && accessSecret !== undefined ? { accessKey, accessSecret } : undefined,
  };
}

function readAuthorities(file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (cause) {
    throw new StartError(`BROKER_CA_FILE: ${(cause as Error).message}`, { cause });
  }
}

const ADVICE: Partial<Record<Protocol, string>> = {
  TLS: 'TLS: set BROKER_TLS=true',
  gRPC: 'gRPC without TLS: set BROKER_TLS=false',
  "RocketMQ's remoting protocol": "RocketMQ's remoting protocol; the gRPC port of its proxy is needed, 8081 where it is not changed",
};

/** Says so when a port belongs to something that is no broker. */
async function refuseStranger(endpoint: string, tls: boolean): Promise<void> {
  const [host, port] = endpoint.split(':') as [string, string];
  const found = await whatAnswers(host, Number(port), tls ? 'TLS' : 'gRPC');
  if (found === undefined || found === (tls ? 'TLS' : 'gRPC')) return;
  throw new StartError(`BROKER_ENDPOINTS: ${endpoint} speaks ${ADVICE[found] ?? `${found}, not gRPC`}`);
}
