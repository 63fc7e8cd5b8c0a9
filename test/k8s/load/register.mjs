// Runs in a pod: registers people through UAC's Service at a steady rate, each on a connection of their own, again and again until one try says that
// it is done, as people do. Each failed try is a line. Ends at COUNT people, or when /tmp/stop is there; its last line is what happened, as JSON.
import { existsSync } from 'node:fs';
import { request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';

const { UAC, PREFIX, MOBILE } = process.env;
const count = Number(process.env.COUNT);
const gapMs = 1_000 / Number(process.env.PER_SECOND);
/** Answered when the login name exists: an earlier try of the same person committed although its answer was lost. */
const NAME_TAKEN = '10011012';

function tryOnce(name, mobileNo) {
  const password = 'Str0ng-pass!';
  const form = { loginName: name, loginPwd: password, confirmPwd: password, email: `${name}@example.com`, mobileNo, registerSource: 'PC' };
  const headers = { 'content-type': 'application/x-www-form-urlencoded', accept: 'application/json' };
  return new Promise((resolve) => {
    const sent = request(`${UAC}/auth/register`, { method: 'POST', headers, agent: false, timeout: 5_000 }, (response) => {
      let text = '';
      response.on('data', (chunk) => {
        text += chunk;
      });
      response.on('error', (error) => resolve(error.message));
      response.on('end', () =>
        resolve(/"code":200\b/.test(text) || text.includes(NAME_TAKEN) ? 'done' : `${response.statusCode} ${text.slice(0, 200)}`),
      );
    });
    sent.on('timeout', () => sent.destroy(new Error('no answer within 5 s')));
    sent.on('error', (error) => resolve(error.message));
    sent.end(new URLSearchParams(form).toString());
  });
}

async function register(number) {
  const name = `${PREFIX}${number}`;
  const since = Date.now();
  const failures = [];
  for (;;) {
    const answer = await tryOnce(name, `${MOBILE}${String(number).padStart(5, '0')}`);
    if (answer === 'done') return { name, tries: failures.length + 1, ms: Date.now() - since, failures };
    failures.push(`${new Date().toISOString()} ${answer}`);
    // For whoever asks why somebody is still not registered.
    console.log(`${name}: ${failures.at(-1)}`);
    await sleep(Math.min(4_000, 250 * 2 ** (failures.length - 1)));
  }
}

const began = performance.now();
const people = [];
for (let number = 0; number < count && !existsSync('/tmp/stop'); number++) {
  await sleep(Math.max(0, number * gapMs - (performance.now() - began)));
  people.push(register(number));
  if (number === 0) console.log('begun');
}
console.log(JSON.stringify(await Promise.all(people)));
