import type { Meter } from '@opentelemetry/api';
import type { Knex } from 'knex';
import { LATENCY_SECONDS } from './metrics-buckets.ts';

/** A pool of tarn, as far as it is read here. */
type Pool = { numUsed(): number; numFree(): number; numPendingAcquires(): number };

/** Connections of a service's database pool, and who waits for one. */
export function observePool(meter: Meter, knex: Knex): void {
  const pool = () => knex.client.pool as Pool | undefined;
  meter.createObservableGauge('db.client.connection.count', { description: 'Connections of the database pool, by state.' }).addCallback((result) => {
    const open = pool();
    if (open === undefined) return;
    result.observe(open.numUsed(), { state: 'used' });
    result.observe(open.numFree(), { state: 'idle' });
  });
  meter
    .createObservableGauge('db.client.connection.pending_requests', { description: 'Who waits for a connection of the database pool.' })
    .addCallback((result) => result.observe(pool()?.numPendingAcquires() ?? 0));
}

/** Notes a link or a service as its health entry says. */
export type NoteHealth = (part: string, serving: boolean) => void;

/** One gauge for each health entry (grpc.health.v1): `service` for the whole, and `database`, `broker`, `tpc`, `key_value`, `smtp` where there is one. */
export function createHealthGauge(meter: Meter): NoteHealth {
  const entries = new Map<string, boolean>();
  meter.createObservableGauge('tpc.health', { description: 'Health entries as grpc.health.v1 has them: 1 serving, 0 not.' }).addCallback((result) => {
    for (const [part, serving] of entries) result.observe(serving ? 1 : 0, { part });
  });
  return (part, serving) => void entries.set(part === '' ? 'service' : part, serving);
}

/** Notes an answered call. @param status name of the gRPC status, OK for a good answer */
export type NoteCall = (method: string, status: string, elapsedMs: number) => void;

/** Calls that a gRPC server answered: how long each took, by method and status. Long polls are among them. */
export function createCallHistogram(meter: Meter): NoteCall {
  const duration = meter.createHistogram('rpc.server.call.duration', {
    unit: 's',
    description: 'Time until a gRPC call was answered.',
    advice: { explicitBucketBoundaries: LATENCY_SECONDS },
  });
  return (method, status, elapsedMs) => duration.record(elapsedMs / 1000, { rpc_method: method, rpc_response_status_code: status });
}
