/** A program whose start waits for ever, for the test of signals. */
import { runMain } from '../src/host/lifecycle.ts';

const alive = setInterval(() => undefined, 1_000);
await runMain('never-starts', () => {
  console.log('starting');
  return new Promise(() => alive.ref());
});
