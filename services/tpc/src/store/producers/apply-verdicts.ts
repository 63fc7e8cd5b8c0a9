import { Verdict } from '../../domain/states.ts';
import type { StoreContext } from '../base/context.ts';
import type { Claim, ConfirmOutcome, StateResult, VerdictItem } from '../store-types.ts';
import { toConfirmOutcome } from './confirm-messages.ts';
import { noteChecks } from './note-checks.ts';
import { type Settlement, settleMessages } from './settle-messages.ts';

/**
 * Takes producers' verdicts (Store.applyVerdicts). Only COMMITTED and ROLLED_BACK settle anything; IN_PROGRESS and no verdict leave the message to
 * the next check, whose time the claim has set already. Index: UNIQUE (message_key), then PRIMARY. Locks: message rows by id.
 */
export async function applyVerdicts(ctx: StoreContext, items: readonly VerdictItem[], claim: Claim): Promise<ConfirmOutcome> {
  const final = items.flatMap((item, index) => (isFinal(item.verdict) ? [{ item, index }] : []));
  const settled = await settleMessages(
    ctx,
    final.map(({ item }) => toSettlement(item)),
    claim,
  );
  const outcome = await toConfirmOutcome(
    ctx,
    settled,
    final.map(({ item }) => item),
    () => undefined,
  );
  const open = items.flatMap((item, index) => (isFinal(item.verdict) ? [] : [{ item, index }]));
  const noted = await noteChecks(
    ctx,
    open.map(({ item }) => item),
  );
  const results: StateResult[] = [];
  for (const [place, { index }] of final.entries()) results[index] = outcome.results[place] as StateResult;
  for (const [place, { index }] of open.entries()) results[index] = noted[place] as StateResult;
  return { ...outcome, results };
}

function isFinal(verdict: Verdict): boolean {
  return verdict === Verdict.COMMITTED || verdict === Verdict.ROLLED_BACK;
}

function toSettlement({ messageKey, producerGroup, storeId, verdict }: VerdictItem): Settlement {
  return { messageKey, producerGroup, storeId, event: verdict === Verdict.COMMITTED ? 'confirm' : 'rolledBack' };
}
