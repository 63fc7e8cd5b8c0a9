/**
 * The border between the library and a team's code, which may throw and answer anything: what crosses it can be looked at without an error, so that an
 * outcome can always be written.
 */

import type { EffectPlan } from '../types.ts';

/** Most links of a chain of causes that are looked at later. */
const MAX_CAUSES = 5;

/** Calls a team's code. @throws what it throws, as an error that can be looked at */
export async function callTeam<T>(work: () => T | Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (thrown) {
    throw readable(thrown);
  }
}

/** @returns the error itself; for what is none, or cannot be looked at, an error in its words */
function readable(thrown: unknown): Error {
  return isReadable(thrown) ? thrown : new Error(wordsOf(thrown));
}

function isReadable(thrown: unknown): thrown is Error {
  try {
    if (!(thrown instanceof Error)) return false;
    let link: unknown = thrown;
    for (let links = 0; link instanceof Error && links < MAX_CAUSES; links++) {
      const { name, message, stack = '' } = link;
      if (![name, message, stack].every((text) => typeof text === 'string')) return false;
      // Getters and traps may throw: whatever is asked for later is asked for here.
      for (const field of ['code', 'errno', 'sqlState', 'sqlMessage', 'reason', 'status'])
        String((link as unknown as Record<string, unknown>)[field]);
      link = link.cause;
    }
    return true;
  } catch {
    return false;
  }
}

function wordsOf(thrown: unknown): string {
  const text = textOf((): unknown => (thrown instanceof Error ? `${thrown.name}: ${String(thrown.message)}` : thrown));
  return text === undefined ? 'what was thrown cannot be read' : `something other than an error was thrown: ${text}`;
}

/** The planned effects; two with one key are one effect. @throws Error when they are no list of them */
export function plansOf(planned: readonly EffectPlan[]): EffectPlan[] {
  if (!Array.isArray(planned)) throw new Error('the planning of effects has not answered a list');
  if (planned.some((plan) => typeof plan?.key !== 'string')) throw new Error('the key of an effect must be a text');
  return [...new Map(planned.map((plan) => [plan.key, plan])).values()];
}

/** What the outside has answered to an effect. That the effect was done is a fact, whatever stands there, so this never throws. */
export function resultOf(answer: unknown): string {
  return textOf(() => (answer as { result?: unknown } | undefined | null)?.result ?? '') ?? '';
}

/** @returns undefined where it cannot be read, or has no text */
function textOf(read: () => unknown): string | undefined {
  try {
    return String(read());
  } catch {
    return undefined;
  }
}
