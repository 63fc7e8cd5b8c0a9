import { expect, it } from 'vitest';
import { OpenStreams } from './open-streams.ts';

const refusal = expect.objectContaining({ reason: 'TOO_MANY_STREAMS' });

/** Streams of one method; `ended` names those that lost their place. */
function streams(most: number) {
  const open = new OpenStreams(most);
  const ended: string[] = [];
  return { ended, open: (name: string, peer: string, method = '/m') => open.open(method, peer, () => void ended.push(name)) };
}

it('gives a newcomer a place of the network that holds the most, the newest first', () => {
  const { open, ended } = streams(4);
  for (const name of ['s1', 's2', 's3', 's4']) open(name, `192.0.2.1:${name.slice(1)}`);
  open('a1', '192.0.2.7:9');
  open('a2', '192.0.2.7:9');
  expect(ended).toEqual(['s4', 's3']);
});

it('refuses who would hold as much as those who are there, so that nobody ends others in turn', () => {
  const { open, ended } = streams(4);
  for (const peer of ['192.0.2.1:1', '192.0.2.1:2', '192.0.2.7:1', '192.0.2.7:2']) open(peer, peer);
  expect(() => open('again', '192.0.2.1:3')).toThrow(refusal);
  open('third', '192.0.2.8:1');
  expect(() => open('fourth', '192.0.2.8:2')).toThrow(refusal);
  expect(ended).toHaveLength(1);
});

it('takes the addresses of an IPv6 network for one', () => {
  const { open } = streams(2);
  open('a', '2001:db8:1:2::1:1000');
  open('b', '2001:db8:1:2::2:1000');
  expect(() => open('c', '2001:db8:1:2::3:1000')).toThrow(refusal);
  open('d', '::ffff:192.0.2.7:1000');
});

it('counts each method by itself, and a place that was left is free', () => {
  const { open, ended } = streams(1);
  const leave = open('a', '192.0.2.1:1');
  open('b', '192.0.2.1:1', '/other');
  leave();
  leave();
  open('c', '192.0.2.1:1');
  expect(() => open('d', '192.0.2.1:1')).toThrow(refusal);
  expect(ended).toEqual([]);
});
