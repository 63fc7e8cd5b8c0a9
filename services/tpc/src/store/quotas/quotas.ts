import { run } from '@tpc/core';
import type { Refusal } from '../../domain/reasons.ts';
import { isDuplicate } from '../base/retrying.ts';
import type { StoreBase } from '../types/base.ts';
import type { NameQuotas } from '../types/policies.ts';

/** The group whose call needs a name. */
export type Maker = { kind: 'producer' | 'consumer'; groupId: number; group: string };

const KIND = { producer: 1, consumer: 2 } as const;
const WHAT = { topics: 1, tags: 2, stores: 3 } as const;
const WORDS = { topics: 'topics', tags: 'tags', stores: 'outbox databases' } as const;
const SETTING = { topics: 'TPC_MAX_GROUP_TOPICS', tags: 'TPC_MAX_GROUP_TAGS', stores: 'TPC_MAX_GROUP_STORES' } as const;

/** A group has made as many names as it may. */
export class QuotaReached extends Error {
  readonly what: keyof NameQuotas;
  readonly refusal: Refusal;

  constructor({ group }: Maker, what: keyof NameQuotas, limit: number) {
    super(`${group} has reached its quota of ${WORDS[what]}`);
    this.name = 'QuotaReached';
    this.what = what;
    this.refusal = { refused: 'QUOTA_REACHED', metadata: { group, what: WORDS[what], limit: String(limit), setting: SETTING[what] } };
  }
}

/**
 * Counts a name that a group is about to make. The count is taken first: what dies before its name is there has used one up for nothing, and no race of
 * replicas makes more than the quota. Two statements the first time, one after it; none for names that are there.
 * @throws QuotaReached
 */
export async function countMade(ctx: Pick<StoreBase, 'knex' | 'policies'>, maker: Maker, what: keyof NameQuotas): Promise<void> {
  const limit = ctx.policies.quotas[what];
  const row = [KIND[maker.kind], maker.groupId, WHAT[what]] as const;
  const count = async () => {
    const { affected } = await run(ctx.knex, 'UPDATE made_name SET made = made + 1 WHERE kind = ? AND group_id = ? AND what = ? AND made < ?', [
      ...row,
      limit,
    ]);
    return affected > 0;
  };
  if (await count()) return;
  try {
    await run(ctx.knex, 'INSERT INTO made_name (kind, group_id, what, made) VALUES (?, ?, ?, 0)', [...row]);
  } catch (error) {
    if (!isDuplicate(error)) throw error;
  }
  if (!(await count())) throw new QuotaReached(maker, what, limit);
}
