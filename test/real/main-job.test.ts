import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Stack } from '../../tools/stack/stack.ts';
import { exerciseMainJob } from '../support/pages/main-job.ts';
import { Product } from '../support/product.ts';
import { realStack } from '../support/real-stack.ts';
import { until } from '../support/until.ts';

const found = await realStack();

/** npm run start:real: three processes on MariaDB, Redis and RocketMQ, in a real browser. */
describe.skipIf(!found)('the whole job on the real stack', () => {
  const stack = found as Stack;
  let product: Product;
  beforeAll(async () => {
    product = await Product.onStack(stack);
    await product.start();
  }, 120_000);
  afterAll(() => product?.end('SIGKILL'));

  exerciseMainJob({ pictures: 'real', pages: () => product });

  it('leaves both messages FINISHED in TPC', async () => {
    await until('both are finished', async () => (await product.messages()).filter(({ state }) => state === 30).length === 2);
    expect(await product.messages()).toHaveLength(2);
  });

  it('says that everything is there, Redis too', async () => {
    expect(await (await fetch(`${product.uac}/readyz`)).json()).toEqual({ status: 'ok', database: 'ok', tpc: 'ok', key_value: 'ok' });
  });

  it('takes registrations while Redis is away, says so, and is well again by itself', async () => {
    await stack.part('redis').kill();
    const readiness = async () => (await fetch(`${product.uac}/readyz`)).json() as Promise<Record<string, string>>;
    await until('UAC misses it', async () => (await readiness()).key_value !== 'ok');
    expect(await product.register('withoutredis', '13900000001')).toBe(200);
    expect((await readiness()).status).toBe('ok');
    await stack.part('redis').start();
    await until('UAC has found it', async () => (await readiness()).key_value === 'ok');
    expect(product.output).toContain('rate limit skipped: key-value store away');
  });

  it('stops all three on Ctrl-C and leaves the stack', async () => {
    expect(await product.end('SIGINT')).toBe(0);
    await expect(fetch(product.uac)).rejects.toThrow();
    expect((await stack.status()).map(({ state }) => state)).toEqual(['up', 'up', 'up', 'up', 'up']);
  });
});
