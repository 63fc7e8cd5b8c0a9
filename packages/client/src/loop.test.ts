import { expect, it } from 'vitest';
import { ClaimNotRead } from './claim-not-read.ts';
import { silentLog } from './log.ts';
import { createDuty } from './loop.ts';

it('goes on after a turn that throws, and says so once', async () => {
  const said: string[] = [];
  const third = Promise.withResolvers<void>();
  let passes = 0;
  const turn = async () => {
    if (++passes === 3) third.resolve();
    throw new Error('x');
  };
  const duty = createDuty('t', turn, { ...silentLog, warn: (_fields, message) => void said.push(message) });
  duty.start();
  await third.promise;
  await duty.stop();
  expect(said).toHaveLength(1);
});

it('says a claim that could not be read as an error', async () => {
  const said = Promise.withResolvers<object>();
  const turn = () => Promise.reject(new ClaimNotRead(2, 1));
  const duty = createDuty('t', turn, { ...silentLog, error: (fields) => said.resolve(fields) });
  duty.start();
  expect(await said.promise).toMatchObject({ duty: 't', reason: expect.stringContaining('claimed 2 rows and read 1') });
  await duty.stop();
});
