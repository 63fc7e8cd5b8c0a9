import { checkGeneration, decodeDeliveryProperties, MAX_GENERATION } from '@tpc/core';
import { describe, expect, it } from 'vitest';
import { planResend, type ResendCopy, type ResendFacts } from './plan-resend.ts';

const copy = (groupId: number, status: number, dead = false, generation = 1): ResendCopy => ({ groupId, status, dead, generation });
const plan = (facts: Partial<ResendFacts>) =>
  planResend({ generation: 1, copies: [], subscribers: [1, 2], requested: [], publishPending: false, ...facts });

describe('a resend without groups', () => {
  it('repeats what was not handled under the same generation, and revives the dead under the next', () => {
    expect(plan({ copies: [copy(1, 10), copy(2, 20, true), copy(3, 30), copy(4, 40)], subscribers: [1, 2, 3, 4] })).toEqual({
      steps: [
        { groupId: 1, how: 'again', generation: 1 },
        { groupId: 2, how: 'anew', generation: 2 },
      ],
      generation: 2,
      open: 2,
      dead: 0,
    });
  });

  it('gives a message without groups those that subscribe now', () => {
    expect(plan({})).toMatchObject({
      steps: [
        { groupId: 1, how: 'create' },
        { groupId: 2, how: 'create' },
      ],
      open: 2,
    });
  });

  it('has nothing to do when all have consumed', () => {
    expect(plan({ copies: [copy(1, 30), copy(2, 30)] })).toEqual({ steps: [], generation: 1, open: 0, dead: 0 });
  });

  it('raises the generation up to the highest that a report may tell, and is refused beyond', () => {
    const facts = { generation: MAX_GENERATION - 1, copies: [copy(1, 30, true, MAX_GENERATION - 1)], subscribers: [1], requested: [1] };
    const last = plan(facts);
    expect(last).toMatchObject({ generation: MAX_GENERATION });
    expect(checkGeneration('generation', MAX_GENERATION)).toEqual([]);
    const properties = { 'tpc-key': 'k', 'tpc-generation': String(MAX_GENERATION) };
    expect(decodeDeliveryProperties(properties)?.generation).toBe(MAX_GENERATION);
    expect(plan({ ...facts, copies: [copy(1, 30, true, MAX_GENERATION)] })).toEqual({ refused: 'GENERATIONS_USED_UP' });
    expect(decodeDeliveryProperties({ ...properties, 'tpc-generation': String(MAX_GENERATION + 1) })).toBeUndefined();
    // A copy that was not handled needs none.
    expect(plan({ ...facts, copies: [copy(1, 10, false, MAX_GENERATION)] })).toMatchObject({ steps: [{ how: 'again', generation: MAX_GENERATION }] });
  });

  it('goes to who has it, though nobody subscribes any more', () => {
    expect(plan({ copies: [copy(1, 20, true)], subscribers: [] })).toMatchObject({ steps: [{ groupId: 1, how: 'anew' }] });
  });

  it('names the groups in the order of their ids', () => {
    expect(plan({ copies: [copy(30, 10), copy(4, 10)], subscribers: [5, 100, 4] })).toMatchObject({
      steps: [{ groupId: 4 }, { groupId: 5 }, { groupId: 30 }, { groupId: 100 }],
    });
  });

  it('is refused when nobody is there to get it', () => {
    expect(plan({ subscribers: [] })).toEqual({ refused: 'NO_SUBSCRIBER' });
  });
});

describe('a resend to named groups', () => {
  it('takes one that has it and subscribes no more, and one that subscribes and has not had it', () => {
    expect(plan({ copies: [copy(3, 10)], subscribers: [2], requested: [3, 2] })).toMatchObject({
      steps: [
        { groupId: 3, how: 'again' },
        { groupId: 2, how: 'create', generation: 1 },
      ],
    });
  });

  it('leaves others that are published and on their way', () => {
    expect(plan({ copies: [copy(1, 30), copy(2, 10), copy(3, 10, true)], requested: [1] })).toMatchObject({
      steps: [{ groupId: 1 }],
      open: 2,
      dead: 1,
    });
  });

  it('replays to one that has consumed, and leaves the others', () => {
    expect(plan({ copies: [copy(1, 30), copy(2, 20, true)], requested: [1] })).toEqual({
      steps: [{ groupId: 1, how: 'anew', generation: 2 }],
      generation: 2,
      open: 1,
      dead: 1,
    });
  });

  it('raises above the newest generation of any group', () => {
    expect(plan({ generation: 5, copies: [copy(1, 30, false, 2)], requested: [1] })).toMatchObject({ steps: [{ generation: 6 }], generation: 6 });
    // A group that reported a newer generation than TPC knew: TPC was restored from a backup.
    expect(plan({ generation: 1, copies: [copy(1, 30, false, 3)], requested: [1] })).toMatchObject({ steps: [{ generation: 4 }], generation: 4 });
  });

  it('is refused for a group that never had to do with it', () => {
    expect(plan({ copies: [copy(1, 10)], requested: [1, 9] })).toEqual({ refused: 'GROUP_NOT_SUBSCRIBED', groupId: 9 });
  });

  it('takes along the copies that the broker’s refusal had stopped: they would else neither go on nor be listed', () => {
    const copies = [{ ...copy(1, 10), stopped: true }, { ...copy(2, 10), stopped: true }, copy(3, 20), copy(4, 30)];
    expect(plan({ copies, requested: [1], subscribers: [1, 2, 3, 4] })).toEqual({
      steps: [
        { groupId: 1, how: 'again', generation: 1 },
        { groupId: 2, how: 'again', generation: 1 },
      ],
      generation: 1,
      open: 3,
      dead: 0,
    });
  });

  it('takes back a publish to all that is still to come, so that no group gets a generation that is not its own', () => {
    expect(plan({ copies: [copy(1, 30), copy(2, 10), copy(3, 20)], requested: [1], publishPending: true })).toMatchObject({
      steps: [
        { groupId: 1, how: 'anew', generation: 2 },
        { groupId: 2, how: 'again', generation: 1 },
      ],
      open: 3,
    });
  });
});
