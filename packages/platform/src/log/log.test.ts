import knexFactory from 'knex';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { createLog, type LogOptions, logPartsOf, partLog } from './log.ts';

/** A log whose lines can be looked into. */
function make(more: Partial<LogOptions> = {}) {
  const lines: Record<string, unknown>[] = [];
  const log = createLog({ service: 'tpc', level: 'info', format: 'json', ...more }, { write: (line) => void lines.push(JSON.parse(line)) });
  return { log, lines, parts: logPartsOf(log), said: () => lines.splice(0).map(({ part, msg }) => `${part ?? ''} ${msg}`) };
}

it('logs an error of the database without the values of its statement, at any depth', async () => {
  const db = knexFactory({ client: 'better-sqlite3', connection: ':memory:', useNullAsDefault: true });
  const cause = await db.raw('INSERT INTO person VALUES (?)', ['ann@example.com']).catch((error: Error) => error);
  await db.destroy();
  const lines: string[] = [];
  const log = createLog({ service: 'test', level: 'trace', format: 'json' }, { write: (line) => lines.push(line) });
  log.error({ err: cause }, 'failed');
  log.child({ part: 'a' }).warn({ err: new Error('around', { cause }) }, 'failed');
  expect(lines).toHaveLength(2);
  for (const line of lines) {
    expect(line).toContain('no such table: person');
    expect(line).not.toContain('ann@example.com');
  }
});

describe('parts', () => {
  afterEach(() => {
    vi.useRealTimers();
  });

  it('have levels of their own, from the settings', () => {
    const { log, said } = make({ levels: { 'tpc.publish': 'debug', 'tpc.grpc': 'silent' } });
    for (const part of ['publish', 'grpc', 'broker']) {
      partLog(log, part).debug('a detail');
      partLog(log, part).error('a failure');
    }
    log.debug('a detail');
    expect(said()).toEqual(['tpc.publish a detail', 'tpc.publish a failure', 'tpc.broker a failure']);
  });

  it('change their level while they run, alone or all together, and go back to what the settings say', () => {
    const { log, parts, said } = make({ levels: { 'tpc.grpc': 'warn' } });
    const [publish, grpc] = [partLog(log, 'publish'), partLog(log, 'grpc')];
    const sayAll = () => {
      for (const one of [log, publish, grpc]) one.debug('x');
      return said();
    };
    expect(sayAll()).toEqual([]);
    expect(parts?.set('tpc.publish', 'debug')).toEqual([{ name: 'tpc.publish', level: 'debug', resetAt: undefined }]);
    expect(sayAll()).toEqual(['tpc.publish x']);
    parts?.set('', 'trace');
    expect(sayAll()).toEqual([' x', 'tpc.publish x', 'tpc.grpc x']);
    parts?.set('', undefined);
    expect(parts?.list().map(({ name, level }) => `${name} ${level}`)).toEqual(['tpc info', 'tpc.grpc warn', 'tpc.publish info']);
    expect(parts?.set('tpc.nothing', 'debug')).toBeUndefined();
  });

  it('have the level that all were set to, when they are made later', () => {
    const { log, parts, said } = make();
    parts?.set('', 'warn');
    partLog(log, 'late').info('a detail');
    expect(said()).toEqual([]);
    parts?.set('', undefined);
    partLog(log, 'late').info('a detail');
    expect(said()).toEqual(['tpc.late a detail']);
  });

  it('go back by themselves after the time that was asked for, counted from the last change', () => {
    vi.useFakeTimers();
    const { log, parts } = make();
    const publish = partLog(log, 'publish');
    parts?.set('tpc.publish', 'debug', 1_000);
    vi.advanceTimersByTime(999);
    parts?.set('tpc.publish', 'trace', 1_000);
    vi.advanceTimersByTime(999);
    expect(publish.level).toBe('trace');
    vi.advanceTimersByTime(1);
    expect([publish.level, parts?.list().at(-1)?.resetAt]).toEqual(['info', undefined]);
  });

  it('are one logger whoever asks, also by way of another part', () => {
    const { log } = make();
    expect(partLog(partLog(log, 'grpc'), 'publish')).toBe(partLog(log, 'publish'));
  });
});
