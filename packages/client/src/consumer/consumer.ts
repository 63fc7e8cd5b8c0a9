import type { BrokerSubscriber } from '@tpc/broker';
import { checkSessionsOf, limitStatements, withDeadline } from '@tpc/core';
import { checkDatabase } from '../check-database.ts';
import { readStoreMeta } from '../migrations/index.ts';
import { effectLeaseMs } from './clock/pull-in-far-due.ts';
import { type Settings, settingsOf } from './defaults.ts';
import { createEffectExecutor } from './handle/handle-effects.ts';
import { createTransactionExecutor } from './handle/handle-transaction.ts';
import type { HandlerParts } from './handle/handler-parts.ts';
import { Activity } from './isolated/activity.ts';
import { NO_FAULTS } from './lifecycle/noted-faults.ts';
import { Registered } from './lifecycle/registered.ts';
import { type HeartbeatOutcome, Registration } from './lifecycle/registration.ts';
import { createSweeper, type Sweeper } from './lifecycle/sweeper.ts';
import { createTelemetry, type Telemetry } from './observe/counters.ts';
import { type ConsumerMetrics, createConsumerMetrics } from './observe/metrics.ts';
import { InboxWriter } from './receive/inbox-writer.ts';
import { type Execute, PrefetchQueue } from './receive/prefetch-queue.ts';
import { mayHold } from './receive/shares.ts';
import { Reporter } from './report/reporter.ts';
import { releaseRows } from './store/mark-inbox.ts';
import { readInboxBacklog } from './store/read-backlog.ts';
import { wakeEffects } from './store/wake-effects.ts';
import type { Consumer, ConsumerOptions, ConsumerState, Handler } from './types.ts';

/** Work begins at the latest this long after the start, also when TPC and broker are away. */
const FIRST_ANSWER_MS = 3_000;
/** How long `registered` waits by default. */
const REGISTERED_TIMEOUT_MS = 60_000;
/** Share of a stop's time after which reports and rows are given back, whatever still runs. */
const LAST_PART_MS = 1_000;

/**
 * Makes a consumer: it stores what arrives in the inbox, lets the broker forget it, handles it by the topic's handler, and tells TPC. Nothing runs
 * before `start`.
 * @throws Error that names the option when one is wrong
 */
export function createConsumer(options: ConsumerOptions): Consumer {
  return new InboxConsumer(settingsOf(options));
}

/**
 * Wires the parts and moves them through three conditions. *Closed*: before the start, and while TPC says that the group is bound to another
 * inbox; nothing is received, begun or reported. *Open*: all of it. *Stopping*: nothing new is begun; what is under way ends.
 */
class InboxConsumer implements Consumer {
  readonly #settings: Settings;
  readonly #metrics: ConsumerMetrics;
  readonly #telemetry: Telemetry;
  readonly #reporter: Reporter;
  readonly #activity = new Activity();
  readonly #queues = new Map<string, PrefetchQueue>();
  readonly #executors = new Map<string, Execute>();
  readonly #inboxWriter: InboxWriter;
  readonly #sweeper: Sweeper;
  readonly #backlog = new Set<string>();
  #roomWaiters: (() => void)[] = [];
  #subscriber: BrokerSubscriber | undefined;
  #registration: Registration | undefined;
  #condition: 'closed' | 'open' | 'stopping' | 'stopped' = 'closed';
  #conflict = false;
  #started = false;
  #outOfTime = false;
  #stopObserving: () => void = () => {};
  readonly #registered = new Registered();

  constructor(settings: Settings) {
    this.#settings = settings;
    checkSessionsOf(settings.knex);
    limitStatements(settings.knex, settings.statementLimitMs);
    this.#metrics = createConsumerMetrics(settings.meterProvider, settings.group);
    this.#telemetry = createTelemetry(settings, this.#metrics);
    this.#reporter = new Reporter(settings, this.#telemetry);
    for (const [topic, handler] of Object.entries(settings.handlers)) this.#addLane(topic, handler);
    const shared = { settings, queues: this.#queues, reporter: this.#reporter, onBacklog: (topic: string) => void this.#backlog.add(topic) };
    this.#inboxWriter = new InboxWriter({ ...shared, telemetry: this.#telemetry });
    this.#sweeper = createSweeper({ ...shared, executors: this.#executors, activity: this.#activity, isOpen: () => this.#condition === 'open' });
  }

  async start(): Promise<void> {
    if (this.#started) throw new Error('a consumer is started once; make a new one');
    this.#started = true;
    const { storeId } = await readStoreMeta(this.#settings.knex);
    await checkDatabase(this.#settings.knex, this.#settings.log);
    if (this.#condition !== 'closed') throw new Error('the consumer was stopped before it had started');
    this.#reporter.from(storeId);
    const firstAnswer = Promise.withResolvers<void>();
    this.#registration = new Registration(this.#settings, { storeId, broker: () => this.#subscriber?.state() }, (outcome, error) => {
      this.#onHeartbeat(outcome);
      if (outcome === 'accepted') this.#registered.accept();
      else if (error && outcome !== 'unavailable') this.#registered.refuse(error);
      firstAnswer.resolve();
    });
    const { knex, group } = this.#settings;
    this.#stopObserving = this.#metrics.observe(
      () => this.state(),
      () => readInboxBacklog(knex, group, [...this.#queues.keys()]),
    );
    this.#sweeper.start();
    void this.#receive();
    void this.#openAfter(firstAnswer.promise);
  }

  registered({ timeoutMs = REGISTERED_TIMEOUT_MS }: { timeoutMs?: number } = {}): Promise<void> {
    return this.#registered.wait(timeoutMs, () => {
      const { registrationError, broker } = this.state();
      if (!this.#started) return 'it was not started';
      return registrationError || (broker?.connected ? 'TPC gives no answer' : `the broker cannot be reached: ${broker?.error || 'no answer'}`);
    });
  }

  async stop(deadlineMs: number): Promise<void> {
    if (this.#condition === 'stopped') return;
    this.#condition = 'stopping';
    this.#registered.end(new Error('the consumer was stopped before TPC accepted it'));
    this.#stopObserving();
    const deadline = performance.now() + deadlineMs;
    for (const queue of this.#queues.values()) queue.close();
    this.#letReceive();
    const under = [
      this.#subscriber?.stop(deadlineMs),
      this.#registration?.stop(),
      this.#sweeper.stop(),
      ...[...this.#queues.values()].map((queue) => queue.idle()),
    ];
    await withDeadline(Promise.allSettled(under), deadlineMs - Math.min(LAST_PART_MS, deadlineMs / 2));
    this.#outOfTime = true;
    const waiting = [...this.#queues.values()].flatMap((queue) => queue.takeWaiting());
    const last = [releaseRows(this.#settings.knex, this.#settings.group, waiting), this.#reporter.drain()];
    const results = await withDeadline(Promise.allSettled(last), deadline - performance.now());
    this.#condition = 'stopped';
    this.#reporter.close();
    this.#settings.log.info({ consumer_group: this.#settings.group, complete: results !== undefined }, 'consumer stopped');
  }

  async wake(waitsFor: string): Promise<number> {
    const { knex, group } = this.#settings;
    const woken = await wakeEffects(knex, group, waitsFor);
    if (woken > 0) this.#sweeper.wake();
    return woken;
  }

  state(): ConsumerState {
    const queues = [...this.#queues.values()];
    return {
      running: this.#condition === 'open',
      registration: this.#registration?.state ?? 'pending',
      registrationError: this.#registration?.error ?? '',
      subscriptionFaults: this.#registration?.faults.current ?? NO_FAULTS,
      broker: this.#subscriber?.state(),
      inMemory: this.#inMemory(),
      handling: queues.reduce((sum, queue) => sum + queue.handling, 0),
      reportsQueued: this.#reporter.queued,
      counters: { ...this.#telemetry.counters },
    };
  }

  #addLane(topic: string, handler: Handler): void {
    const settings = this.#settings;
    const parts: HandlerParts = {
      topic,
      settings,
      reporter: this.#reporter,
      telemetry: this.#telemetry,
      othersWait: () => (this.#queues.get(topic)?.waiting ?? 0) > 0,
      stopping: () => this.#condition !== 'open',
      goOn: () => !this.#outOfTime,
    };
    const effects = 'effects' in handler;
    const execute = effects ? createEffectExecutor(parts, handler, effectLeaseMs(settings, handler)) : createTransactionExecutor(parts, handler);
    this.#executors.set(topic, execute);
    const { leaseMs, maxInMemory, maxInMemoryBytes } = settings;
    const concurrency = effects ? handler.concurrency : settings.concurrency;
    const maxBatch = 'handleBatch' in handler ? handler.maxBatch : 1;
    const canHold = () => mayHold(topic, maxInMemory, this.#queues);
    const onRoom = (queue: PrefetchQueue) => this.#onRoom(queue);
    this.#queues.set(
      topic,
      new PrefetchQueue({ topic, execute, concurrency, maxBatch, leaseMs, maxInMemory, maxInMemoryBytes, canHold, activity: this.#activity, onRoom }),
    );
  }

  /** Subscribes, and registers once the group exists at the broker, so that nothing published from then on is missed. */
  async #receive(): Promise<void> {
    const { group, subscriptions, subscribe, log } = this.#settings;
    const subscriber = subscribe({
      group,
      subscriptions,
      onBatch: (messages) => this.#inboxWriter.take(messages),
      beforeReceive: (topic) => this.#waitForRoom(topic),
    });
    this.#subscriber = subscriber;
    subscriber.start();
    try {
      await subscriber.ready();
    } catch (error) {
      // It was stopped with this consumer, or by a refusal that has its own line.
      if (this.#condition === 'stopping' || this.#condition === 'stopped' || this.#conflict) return;
      log.error({ err: error, consumer_group: group }, 'the subscriber to the broker gave up');
      this.#registered.end(new Error('the subscriber to the broker gave up', { cause: error }));
      return;
    }
    if (this.#condition !== 'stopping' && this.#condition !== 'stopped') this.#registration?.start();
  }

  async #openAfter(firstAnswer: Promise<void>): Promise<void> {
    await withDeadline(firstAnswer, FIRST_ANSWER_MS);
    this.#open();
  }

  #open(): void {
    if (this.#condition !== 'closed' || this.#conflict) return;
    this.#condition = 'open';
    this.#reporter.open();
    for (const queue of this.#queues.values()) queue.open();
    this.#sweeper.wake();
    this.#letReceive();
  }

  #onHeartbeat(outcome: HeartbeatOutcome): void {
    if (this.#condition === 'stopping' || this.#condition === 'stopped') return;
    if (outcome === 'conflict' && !this.#conflict) this.#close();
    if (outcome !== 'accepted') return;
    const reopened = this.#conflict;
    this.#conflict = false;
    this.#open();
    this.#sweeper.wakeReports();
    if (reopened) void this.#receive();
  }

  /** The group belongs to another inbox: what is taken here would be missing there. */
  #close(): void {
    this.#conflict = true;
    this.#condition = 'closed';
    for (const queue of this.#queues.values()) queue.close();
    this.#reporter.close();
    const { log, group, knex } = this.#settings;
    const waiting = [...this.#queues.values()].flatMap((queue) => queue.takeWaiting());
    releaseRows(knex, group, waiting).catch((error: unknown) => log.warn({ err: error }, 'messages come again after their lease'));
    this.#subscriber?.stop(5_000).catch((error: unknown) => log.warn({ err: error, consumer_group: group }, 'the subscriber did not stop cleanly'));
  }

  #inMemory(): number {
    return [...this.#queues.values()].reduce((sum, queue) => sum + queue.held, 0);
  }

  /** Back-pressure: the broker is asked for more of a topic only when there is room for it. */
  async #waitForRoom(topic: string): Promise<void> {
    const goOn = () => this.#condition === 'open' || this.#condition === 'closed';
    await this.#inboxWriter.untilStorable(goOn);
    while (!this.#queues.get(topic)?.hasRoom && goOn()) {
      await new Promise<void>((resolve) => this.#roomWaiters.push(resolve));
    }
  }

  #letReceive(): void {
    for (const wake of this.#roomWaiters.splice(0)) wake();
  }

  #onRoom(queue: PrefetchQueue): void {
    this.#letReceive();
    // Not for every row that leaves: a claim for many costs what a claim for one costs.
    if (queue.held <= queue.capacity / 2 && this.#backlog.delete(queue.topic)) this.#sweeper.wake();
  }
}
