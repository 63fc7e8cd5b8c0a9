import type { ServerResponse } from 'node:http';
import { Writable } from 'node:stream';
import { expect, it } from 'vitest';
import { createMailEvents } from './events.ts';

/** A page that reads everything, or nothing. */
function page(reads: boolean) {
  const stream = new Writable({ highWaterMark: 1, write: (_chunk, _encoding, done) => reads && done() });
  return Object.assign(stream, { writeHead: () => undefined }) as unknown as ServerResponse;
}

it('lets a page go that does not read its events, and goes on telling the others', () => {
  const events = createMailEvents();
  const [reader, sleeper] = [page(true), page(false)];
  events.attach(reader);
  events.attach(sleeper);
  for (let n = 0; n < 200; n++) events.publish('mail', { text: 'x'.repeat(1_000) });
  expect([reader.destroyed, sleeper.destroyed]).toEqual([false, true]);
  expect(sleeper.writableLength).toBeLessThan(100_000);
  events.close();
});
