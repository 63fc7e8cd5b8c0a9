import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { InMemorySpanExporter, type ReadableSpan, SimpleSpanProcessor } from '@opentelemetry/sdk-trace';
import { startEmbeddedBroker, startMailCatcher } from '@tpc/embedded';
import { configSchema as opcSchema, startOpcService } from '@tpc/opc-service';
import { createLog, loadConfig, type Running, stopAll, traceTo } from '@tpc/platform';
import { startTpcService, configSchema as tpcSchema } from '@tpc/tpc-service';
import { startUacService, type UacService, configSchema as uacSchema } from '@tpc/uac-service';
import { freePort } from '../free-port.ts';
import { listMails, registerUser } from '../product.ts';
import type { SeenSpan } from './seen-spans.ts';

type Part = 'broker' | 'mail' | 'tpc' | 'opc' | 'uac';
/** The whole product on embedded parts in this process, whose spans are kept in memory; each part may be stopped and started again. */
export class TracedProduct {
  readonly #folder = mkdtempSync(join(tmpdir(), 'tpc-traced-'));
  readonly #exporter = new InMemorySpanExporter();
  readonly #running = new Map<Part, Running>();
  readonly #ports: Record<string, number>;
  readonly #env: Readonly<Record<string, string>>;
  readonly #sampleRatio: number;

  private constructor(ports: Record<string, number>, env: Readonly<Record<string, string>>, sampleRatio: number) {
    this.#ports = ports;
    this.#env = env;
    this.#sampleRatio = sampleRatio;
  }

  static async start(env: Readonly<Record<string, string>> = {}, sampleRatio = 1): Promise<TracedProduct> {
    const names = ['broker', 'smtp', 'inbox', 'tpc', 'opc', 'uac', 'http'];
    const ports = Object.fromEntries(await Promise.all(names.map(async (name) => [name, await freePort()])));
    const product = new TracedProduct(ports, env, sampleRatio);
    for (const part of ['broker', 'mail', 'tpc', 'opc', 'uac'] as const) await product.start(part);
    return product;
  }

  async start(part: Part): Promise<void> {
    this.#running.set(part, await this.#make(part));
  }

  async stop(part: Part): Promise<void> {
    await this.#running.get(part)?.stop();
    this.#running.delete(part);
  }

  /** Takes from the broker all that it holds, as a lost disk would. */
  async loseBroker(): Promise<void> {
    await this.stop('broker');
    for (const end of ['', '-wal', '-shm']) rmSync(join(this.#folder, `broker.db${end}`), { force: true });
    await this.start('broker');
  }

  async end(): Promise<void> {
    await stopAll([...this.#running.values()].reverse());
  }

  get tpc(): string {
    return `127.0.0.1:${this.#ports.tpc}`;
  }

  /** Id of UAC's outbox database. */
  get uacStoreId(): string {
    return (this.#running.get('uac') as UacService).producerState().storeId;
  }

  get pages(): string {
    return `http://127.0.0.1:${this.#ports.http}`;
  }

  register(name: string, mobileNo: string): Promise<number> {
    return registerUser(this.pages, name, mobileNo);
  }

  mails() {
    return listMails(`http://127.0.0.1:${this.#ports.inbox}`);
  }

  /** Every span that is finished by now. */
  get spans(): SeenSpan[] {
    return this.#exporter.getFinishedSpans().map(seen);
  }

  /** Spans of one message. */
  of(messageKey: string): SeenSpan[] {
    return this.spans.filter(({ attributes }) => attributes.messageKey === messageKey);
  }

  #make(part: Part): Promise<Running> {
    const { broker, smtp, inbox, tpc, opc, uac, http } = this.#ports as Record<string, number>;
    const host = '127.0.0.1';
    const log = createLog({ service: part, level: 'silent', format: 'json' });
    const env = {
      TPC_DATABASE_URL: `sqlite:${this.#folder}/tpc.db`,
      UAC_DATABASE_URL: `sqlite:${this.#folder}/uac.db`,
      OPC_DATABASE_URL: `sqlite:${this.#folder}/opc.db`,
      KEY_VALUE_URL: `sqlite:${this.#folder}/key-value.db`,
      BROKER_ENDPOINTS: `${host}:${broker}`,
      TPC_ADDRESS: this.tpc,
      SMTP_PORT: String(smtp),
      TPC_GRPC_PORT: String(tpc),
      OPC_GRPC_PORT: String(opc),
      UAC_GRPC_PORT: String(uac),
      UAC_HTTP_PORT: String(http),
      UAC_BCRYPT_COST: '4',
      UAC_REGISTER_PER_IP: '0',
      ...this.#env,
    };
    const tracing = () => traceTo(part, new SimpleSpanProcessor({ exporter: this.#exporter }), this.#sampleRatio);
    const make: Record<Part, () => Promise<Running>> = {
      broker: () => startEmbeddedBroker({ file: `${this.#folder}/broker.db`, host, port: broker as number }),
      mail: () => startMailCatcher({ file: `${this.#folder}/mail.db`, host, smtpPort: smtp as number, httpPort: inbox as number, log }),
      tpc: () => startTpcService({ config: loadConfig(tpcSchema, env), log, tracing: tracing() }),
      opc: async () => {
        const service = await startOpcService({ config: loadConfig(opcSchema, env), log, tracing: tracing() });
        await service.registered();
        return service;
      },
      uac: () => startUacService({ config: loadConfig(uacSchema, env), log, tracing: tracing() }),
    };
    return make[part]();
  }
}

function seen(span: ReadableSpan): SeenSpan {
  const { traceId, spanId } = span.spanContext();
  return {
    service: String(span.resource.attributes['service.name']),
    name: span.name,
    traceId,
    spanId,
    parentId: span.parentSpanContext?.spanId,
    links: span.links.map(({ context }) => ({ traceId: context.traceId, spanId: context.spanId })),
    attributes: span.attributes,
    failed: span.status.code === 2,
  };
}
