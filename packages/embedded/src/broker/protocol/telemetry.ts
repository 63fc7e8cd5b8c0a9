import type { ServerDuplexStream } from '@grpc/grpc-js';
import definition, { type Settings } from 'rocketmq-client-nodejs/proto/apache/rocketmq/v2/definition_pb.js';
import service, { type TelemetryCommand } from 'rocketmq-client-nodejs/proto/apache/rocketmq/v2/service_pb.js';
import { MAX_BODY_BYTES } from './validate.ts';
import { clientIdOf, okStatus, toDuration } from './wire.ts';

const RECEIVE_BATCH = 32;
const LONG_POLL_MS = 20_000;
/** In whole seconds: the clients read no smaller part. */
const BACKOFF = { initialMs: 1_000, maxMs: 60_000, multiplier: 2 };

type Call = ServerDuplexStream<TelemetryCommand, TelemetryCommand>;

/** Told which clients are there. */
export type Presence = { streamOpened(clientId: string): void; streamEnded(clientId: string): void };

/** The stream that every client keeps open: it tells its settings and is answered with the broker's. */
export class TelemetryService {
  readonly #streams = new Set<Call>();
  readonly #maxAttempts: number;
  readonly #presence: Presence;

  constructor(maxDeliveryAttempts: number, presence: Presence) {
    this.#maxAttempts = maxDeliveryAttempts;
    this.#presence = presence;
  }

  readonly handle = (call: Call): void => {
    const clientId = clientIdOf(call.metadata);
    this.#streams.add(call);
    this.#presence.streamOpened(clientId);
    const leave = () => {
      if (this.#streams.delete(call)) this.#presence.streamEnded(clientId);
    };
    call.on('cancelled', leave);
    call.on('error', leave);
    this.#serve(call)
      .catch((error: unknown) => void call.emit('error', error))
      .finally(leave);
  };

  /** One answer at a time: the next command is read when the answer before it has left, so a client that does not read fills no memory. */
  async #serve(call: Call): Promise<void> {
    const gone = new Promise<void>((resolve) => call.once('close', resolve));
    for await (const command of call.iterator({ destroyOnReturn: false }) as AsyncIterable<TelemetryCommand>) {
      const settings = command.getSettings();
      if (!settings) continue;
      const left = new Promise<void>((resolve) => void call.write(this.#answer(settings), () => resolve()));
      await Promise.race([left, gone]);
    }
    call.end();
  }

  /** Ends all streams. */
  close(): void {
    for (const call of this.#streams) call.end();
    this.#streams.clear();
  }

  /** The client's own settings, completed by what the broker decides. */
  #answer(settings: Settings): TelemetryCommand {
    const backoff = new definition.ExponentialBackoff()
      .setInitial(toDuration(BACKOFF.initialMs))
      .setMax(toDuration(BACKOFF.maxMs))
      .setMultiplier(BACKOFF.multiplier);
    settings.setBackoffPolicy(new definition.RetryPolicy().setMaxAttempts(this.#maxAttempts).setExponentialBackoff(backoff));
    settings.setMetric(new definition.Metric().setOn(false));
    settings.getPublishing()?.setMaxBodySize(MAX_BODY_BYTES).setValidateMessageType(true);
    settings.getSubscription()?.setFifo(false).setReceiveBatchSize(RECEIVE_BATCH).setLongPollingTimeout(toDuration(LONG_POLL_MS));
    return new service.TelemetryCommand().setStatus(okStatus()).setSettings(settings);
  }
}
