import { withDeadline } from '@tpc/core';
import { callTeam, resultOf } from '../careless/team-code.ts';
import type { InboxKey } from '../domain/inbox-row.ts';
import { EffectUncertain } from '../errors.ts';
import type { ConsumedMessage, EffectHandler, EffectPlan } from '../types.ts';

/** The id under which an effect is known outside, the same for each repeat. */
export function effectIdOf(key: InboxKey, effectKey: string): string {
  return `${key.messageKey}/${key.generation}/${effectKey}`;
}

/**
 * Runs one effect within its total time. At the time-out its signal is aborted and the outcome counts as uncertain.
 * @param onLate told when the run succeeds after its time-out: that it was done is a fact, however late it is known
 * @throws EffectUncertain at the time-out, else what the run throws
 */
export async function runWithinTime(
  handler: EffectHandler,
  run: { plan: EffectPlan; message: ConsumedMessage; attempt: number; deferrals: number; onLate: (result: string) => void },
): Promise<string> {
  const controller = new AbortController();
  const { attempt, deferrals } = run;
  const context = { effectId: effectIdOf(run.message, run.plan.key), attempt, deferrals, signal: controller.signal };
  const done = callTeam(() => handler.run(run.plan, run.message, context)).then(resultOf);
  done.then(
    (result) => controller.signal.aborted && run.onLate(result),
    () => undefined, // after the time-out an error says nothing new, before it the wait below throws it
  );
  return withDeadline(done, handler.timeoutMs, () => {
    controller.abort();
    throw new EffectUncertain(`no answer within ${handler.timeoutMs} ms`);
  });
}
