import { MAX_GENERATION } from '@tpc/core';
import { ConfirmStatus } from './states.ts';

/** A group's copy as an operator's resend finds it. */
export type ResendCopy = {
  groupId: number;
  status: number;
  dead: boolean;
  generation: number;
  /** It is not received, and nothing will be done about it by itself: the broker had refused the message. */
  stopped?: boolean;
};

export type ResendFacts = {
  /** Newest generation of the message. */
  generation: number;
  copies: readonly ResendCopy[];
  /** Groups that subscribe its topic and tag now. */
  subscribers: readonly number[];
  /** Groups that the operator named; empty: every group that has not consumed it. */
  requested: readonly number[];
  /** It still waits to be published to all of its groups. */
  publishPending: boolean;
};

/**
 * create: the group has no row yet. again: not handled yet, same generation (an inbox that has it drops the repetition). anew: next generation, since
 * the group's inbox holds a finished row (dead, consumed) of the present one.
 */
export type ResendStep = { groupId: number; how: 'create' | 'again' | 'anew'; generation: number };

export type ResendPlan =
  | { refused: 'NO_SUBSCRIBER' | 'GENERATIONS_USED_UP' }
  | { refused: 'GROUP_NOT_SUBSCRIBED'; groupId: number }
  | { steps: ResendStep[]; generation: number; open: number; dead: number };

/** What a resend does to the copies of a message (proto: ResendMessage); pure. `open` and `dead` are the counts of the message after it. */
export function planResend(facts: ResendFacts): ResendPlan {
  const byGroup = new Map(facts.copies.map((copy) => [copy.groupId, copy]));
  const stranger = facts.requested.find((groupId) => !byGroup.has(groupId) && !facts.subscribers.includes(groupId));
  if (stranger !== undefined) return { refused: 'GROUP_NOT_SUBSCRIBED', groupId: stranger };
  if (facts.copies.length === 0 && facts.subscribers.length === 0) return { refused: 'NO_SUBSCRIBER' };
  const chosen = facts.requested.length > 0 ? facts.requested : notConsumed(facts);
  const newest = Math.max(facts.generation, ...facts.copies.map((copy) => copy.generation));
  const steps = chosen.map((groupId) => stepFor(groupId, byGroup.get(groupId), { ...facts, newest }));
  if (steps.some(({ generation }) => generation > MAX_GENERATION)) return { refused: 'GENERATIONS_USED_UP' };
  const pending = pendingSteps(facts, chosen);
  const after = new Set([...steps, ...pending].map((step) => step.groupId));
  const untouched = facts.copies.filter((copy) => !after.has(copy.groupId));
  return {
    steps: [...steps, ...pending],
    generation: Math.max(facts.generation, ...steps.map((step) => step.generation)),
    open: after.size + untouched.filter((copy) => !copy.dead && copy.status < ConfirmStatus.CONSUMED).length,
    dead: untouched.filter((copy) => copy.dead).length,
  };
}

function notConsumed({ copies, subscribers }: ResendFacts): number[] {
  const open = copies.filter((copy) => copy.status < ConfirmStatus.CONSUMED).map((copy) => copy.groupId);
  const known = new Set(copies.map((copy) => copy.groupId));
  return [...open, ...subscribers.filter((groupId) => !known.has(groupId))].sort((a, b) => a - b);
}

/** Anew is above what any group has handled: one may have reported a newer generation than TPC, restored from a backup, knows. */
function stepFor(groupId: number, copy: ResendCopy | undefined, { generation, newest }: { generation: number; newest: number }): ResendStep {
  if (copy === undefined) return { groupId, how: 'create', generation };
  if (copy.dead || copy.status >= ConfirmStatus.CONSUMED) return { groupId, how: 'anew', generation: newest + 1 };
  return { groupId, how: 'again', generation: copy.generation };
}

/**
 * Copies beside the chosen ones that have to go too. A publish to all groups would now carry the raised generation to groups that have the old one: it is
 * taken back, and each open copy goes by itself. And a message that the broker had refused is SENDING again by this act, so its other groups
 * would neither get it nor be listed.
 */
function pendingSteps({ copies, publishPending }: ResendFacts, chosen: readonly number[]): ResendStep[] {
  const open = copies.filter((copy) => !copy.dead && copy.status === ConfirmStatus.UNCONFIRMED && !chosen.includes(copy.groupId));
  const waiting = open.filter((copy) => publishPending || copy.stopped === true);
  return waiting.map(({ groupId, generation }) => ({ groupId, how: 'again', generation }));
}
