import type { Knex } from 'knex';
import { expect, it } from 'vitest';
import { createLog } from '../log/log.ts';
import { createDatabaseProbe } from './database-probe.ts';
import { createHealthWatch } from './health-watch.ts';

const log = createLog({ service: 'test', level: 'silent', format: 'json' });

/** A database whose answers the test decides. */
function frozen() {
  const questions: PromiseWithResolvers<unknown>[] = [];
  const raw = () => {
    const question = Promise.withResolvers<unknown>();
    questions.push(question);
    return question.promise;
  };
  return { questions, knex: { raw, client: { driverName: 'better-sqlite3' } } as unknown as Knex };
}

it('asks a frozen database once, whoever wants to know, and again once it has answered', async () => {
  const { questions, knex } = frozen();
  const probe = createDatabaseProbe(knex, 't', 1);
  expect(await Promise.all([probe(), probe(), probe()])).toEqual([false, false, false]);
  expect(await probe()).toBe(false);
  expect(questions).toHaveLength(1);
  questions[0]?.resolve([]);
  await questions[0]?.promise;
  const patient = createDatabaseProbe(knex, 't', 60_000);
  const answers = [patient(), patient()];
  questions[1]?.resolve([]);
  expect(await Promise.all(answers)).toEqual([true, true]);
  const refused = patient();
  questions[2]?.reject(new Error('gone'));
  expect(await refused).toBe(false);
});

it('makes readiness follow the database alone, and names the other parts', async () => {
  const health: Record<string, boolean> = {};
  let there = true;
  const watch = createHealthWatch({
    database: async () => there,
    parts: () => ({ tpc: false, smtp: true }),
    setHealth: (part, serving) => {
      health[part] = serving;
    },
    log,
  });
  await watch.runOnce();
  expect(health).toEqual({ '': true, database: true, tpc: false, smtp: true });
  there = false;
  await watch.runOnce();
  expect(health).toEqual({ '': false, database: false, tpc: false, smtp: true });
});
