import { Server, ServerCredentials, type ServerUnaryCall, type sendUnaryData } from '@grpc/grpc-js';
import { withDeadline } from '@tpc/core';
import { type MessageLimits, ReliableMessageServiceService } from '@tpc/gen/tpc/v1/reliable_message_service';
import { FakeLedger, type FakeMessage } from './fake-ledger.ts';
import { fakeMethods } from './fake-methods.ts';
import { FakeRefusal } from './fake-refusal.ts';

export type FakeMethod = keyof typeof ReliableMessageServiceService;

/** One call as the fake received it. */
export type FakeCall = { method: FakeMethod; request: unknown; metadata: Record<string, string> };

/** Runs before a call is done. Throws FakeRefusal to refuse it; may wait to delay it. */
export type FakeCallHook = (call: FakeCall) => void | Promise<void>;

/** Runs before one item (a single call, or an entry of a batch) is done. Throws FakeRefusal to refuse it. */
export type FakeItemHook = (method: FakeMethod, messageKey: string) => void;

type Waiter = { done: () => boolean; resolve: () => void };

/**
 * TPC's ReliableMessageService in memory over real gRPC on a loopback port, for tests of services that use the library. It
 * records every call, keeps the messages' states, and can refuse, delay, freeze, die and come back. It publishes nothing.
 */
export class FakeTpc {
  readonly calls: FakeCall[] = [];
  /** Heartbeat that registrations are told, milliseconds. */
  heartbeatMs = 60_000;
  epoch = 1n;
  /** Limits that registrations are told; undefined, as an older TPC does. */
  limits: MessageLimits | undefined;
  /** What consumers are told to be wrong with the subscriptions of their group. */
  faults: { differing: string[]; untaken: string[] } = { differing: [], untaken: [] };
  beforeCall: FakeCallHook = () => {};
  beforeItem: FakeItemHook = () => {};
  readonly #ledger = new FakeLedger();
  readonly #asked: string[] = [];
  readonly #waiters = new Set<Waiter>();
  #frozen: Promise<void> | undefined;
  #thaw: () => void = () => {};
  #server: Server | undefined;
  #port = 0;

  /** Serves on an ephemeral loopback port; after `die`, on the same port again. */
  async start(): Promise<this> {
    const server = new Server({ 'grpc.max_receive_message_length': 8 * 1024 * 1024 });
    const implementations: Record<string, (call: ServerUnaryCall<unknown, unknown>, callback: sendUnaryData<unknown>) => void> = {};
    for (const method of Object.keys(ReliableMessageServiceService) as FakeMethod[])
      implementations[method] = (call, callback) => void this.#serve(method, call, callback);
    server.addService(ReliableMessageServiceService, implementations);
    this.#port = await new Promise<number>((resolve, reject) =>
      server.bindAsync(`127.0.0.1:${this.#port}`, ServerCredentials.createInsecure(), (error, port) => (error ? reject(error) : resolve(port))),
    );
    this.#server = server;
    return this;
  }

  get address(): string {
    return `127.0.0.1:${this.#port}`;
  }

  /** Ends at once, with all calls under way; what it stored stays. Calls until the next `start` find nobody. */
  die(): void {
    this.thaw();
    this.#server?.forceShutdown();
    this.#server = undefined;
  }

  /** From now on calls are received and never answered, until `thaw`. */
  freeze(): void {
    this.#frozen ??= new Promise((resolve) => {
      this.#thaw = resolve;
    });
  }

  thaw(): void {
    this.#thaw();
    this.#frozen = undefined;
  }

  message(key: string): FakeMessage | undefined {
    return this.#ledger.messages.get(key);
  }

  get messages(): FakeMessage[] {
    return [...this.#ledger.messages.values()];
  }

  /** Asks the producer about these messages in its next FetchUncertainMessages, if it is on their store. */
  askAbout(...keys: string[]): void {
    this.#asked.push(...keys);
    this.#changed();
  }

  callsOf(...methods: FakeMethod[]): FakeCall[] {
    return this.calls.filter((call) => methods.includes(call.method));
  }

  /** Resolves once `condition` holds, looked at after each call and change. @throws Error when it does not within `deadlineMs` */
  async until(condition: () => boolean, deadlineMs = 10_000): Promise<void> {
    if (condition()) return;
    const { promise: reached, resolve } = Promise.withResolvers<void>();
    const waiter: Waiter = { done: condition, resolve };
    this.#waiters.add(waiter);
    await withDeadline(reached, deadlineMs, () => {
      const seen = this.calls.map((call) => call.method).join(', ');
      throw new Error(`not so within ${deadlineMs} ms: ${condition}; calls: ${seen}`);
    }).finally(() => this.#waiters.delete(waiter));
  }

  async #serve(method: FakeMethod, call: ServerUnaryCall<unknown, unknown>, callback: sendUnaryData<unknown>): Promise<void> {
    const metadata = Object.fromEntries(Object.entries(call.metadata.getMap()).map(([name, value]) => [name, String(value)]));
    const received: FakeCall = { method, request: call.request, metadata };
    this.calls.push(received);
    this.#changed();
    try {
      await this.beforeCall(received);
      await this.#frozen;
      callback(null, await this.#answer(method, call));
    } catch (error) {
      callback(error instanceof FakeRefusal ? error.toServiceError() : { code: 13, details: String(error), message: String(error) });
    }
    this.#changed();
  }

  #answer(method: FakeMethod, call: ServerUnaryCall<unknown, unknown>): unknown {
    const methods = fakeMethods({
      ledger: this.#ledger,
      asked: this.#asked,
      heartbeatMs: this.heartbeatMs,
      epoch: this.epoch,
      limits: this.limits,
      faults: this.faults,
      beforeItem: (key) => this.beforeItem(method, key),
      untilAsked: (ready, waitMs) => this.#untilAsked(call, ready, waitMs),
    });
    return (methods[method] as (request: unknown) => unknown)(call.request);
  }

  async #untilAsked(call: ServerUnaryCall<unknown, unknown>, ready: () => boolean, waitMs: number): Promise<void> {
    const ended = () => call.cancelled || this.#server === undefined;
    call.on('cancelled', () => this.#changed());
    await this.until(() => ready() || ended(), waitMs).catch(() => {
      // The wait ran out: an empty answer.
    });
  }

  #changed(): void {
    for (const waiter of [...this.#waiters]) if (waiter.done()) waiter.resolve();
  }
}
