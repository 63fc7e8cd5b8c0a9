import { placeholders, run, runOnPrimary, type SqlValue } from '@tpc/core';
import { countMade, type Maker } from '../quotas/quotas.ts';
import type { StoreBase } from '../types/base.ts';
import type { NameQuotas } from '../types/policies.ts';
import { isDuplicate } from './retrying.ts';

/** Ids of a producer group's messages: the group, its outbox database, and both together (message.owner_id). */
export type Owner = { producerGroupId: number; storeId: number; ownerId: number };

/**
 * Names to ids, so that hot rows carry numbers. A name that is not there is inserted by a statement of its own, before any transaction begins, and
 * remembered only once that is committed: a later rollback can never leave an id in the memory that is not in the table. Names are never renamed
 * or deleted while TPC runs. A name that is made counts for the group that needs it (`maker`, @throws QuotaReached). Another server may lack the last ones and give their ids to others, so all are forgotten when one takes over (`forget`).
 */
export class Names {
  readonly #ctx: Pick<StoreBase, 'knex' | 'sql' | 'retry' | 'policies'>;
  #ids = new Map<string, number>();

  constructor(ctx: Pick<StoreBase, 'knex' | 'sql' | 'retry' | 'policies'>) {
    this.#ctx = ctx;
  }

  /** What is being read just now is not remembered either. */
  forget(): void {
    this.#ids = new Map();
  }

  /** @param maker none: the name is TPC's own */
  topic(name: string, maker?: Maker): Promise<number> {
    return this.#intern('topic', { name }, maker && { maker, what: 'topics' });
  }

  tag(topicId: number, name: string, maker?: Maker): Promise<number> {
    return this.#intern('tag', { topic_id: topicId, name }, maker && { maker, what: 'tags' });
  }

  producerGroup(name: string): Promise<number> {
    return this.#intern('producer_group', { name });
  }

  consumerGroup(name: string): Promise<number> {
    return this.#intern('consumer_group', { name });
  }

  async owner(producerGroup: string, store: string): Promise<Owner> {
    const producerGroupId = await this.producerGroup(producerGroup);
    const maker = { kind: 'producer', groupId: producerGroupId, group: producerGroup } as const;
    const counted: Counted | undefined = store === '' ? undefined : { maker, what: 'stores' };
    // A store counts for each group that comes from it: the first makes its name as well.
    const known = this.#ids.get(cacheKey('outbox_store', [store])) ?? (await this.findStores([store])).get(store);
    const storeId = known ?? (await this.#intern('outbox_store', { name: store }, counted));
    const row = { producer_group_id: producerGroupId, store_id: storeId };
    const ownerId = await this.#intern('message_owner', row, known === undefined ? undefined : counted);
    return { producerGroupId, storeId, ownerId };
  }

  /** Ids of names that are there; a name that is not is missing in the answer and is not remembered. */
  findProducerGroups(names: Iterable<string>): Promise<Map<string, number>> {
    return this.#find('producer_group', names);
  }

  findConsumerGroups(names: Iterable<string>): Promise<Map<string, number>> {
    return this.#find('consumer_group', names);
  }

  findTopics(names: Iterable<string>): Promise<Map<string, number>> {
    return this.#find('topic', names);
  }

  findStores(names: Iterable<string>): Promise<Map<string, number>> {
    return this.#find('outbox_store', names);
  }

  async #find(table: string, names: Iterable<string>): Promise<Map<string, number>> {
    const found = new Map<string, number>();
    const ids = this.#ids;
    for (const name of new Set(names)) {
      const key = cacheKey(table, [name]);
      const id = ids.get(key) ?? (await this.#ctx.retry(() => this.#select(table, ['name'], [name])));
      if (id === undefined) continue;
      ids.set(key, id);
      found.set(name, id);
    }
    return found;
  }

  async #intern(table: string, row: Readonly<Record<string, SqlValue>>, counted?: Counted): Promise<number> {
    const columns = Object.keys(row);
    const values = Object.values(row);
    const key = cacheKey(table, values);
    const ids = this.#ids;
    const known = ids.get(key);
    if (known !== undefined) return known;
    const id = await this.#ctx.retry(async () => (await this.#select(table, columns, values)) ?? this.#insert(table, columns, values, counted));
    ids.set(key, id);
    return id;
  }

  async #select(table: string, columns: readonly string[], values: readonly SqlValue[]): Promise<number | undefined> {
    const where = columns.map((column) => `${column} = ?`).join(' AND ');
    const { rows } = await runOnPrimary<{ id: number }>(this.#ctx.knex, `SELECT id FROM ${table} WHERE ${where}`, values);
    return rows[0]?.id;
  }

  async #insert(table: string, columns: readonly string[], values: readonly SqlValue[], counted: Counted | undefined): Promise<number> {
    if (counted !== undefined) await countMade(this.#ctx, counted.maker, counted.what);
    const marks = placeholders(columns.length);
    try {
      await run(this.#ctx.knex, `INSERT INTO ${table} (${columns.join(', ')}, created_at) VALUES (${marks}, ${this.#ctx.sql.now})`, values);
    } catch (error) {
      // Another replica was first: its row is ours.
      if (!isDuplicate(error)) throw error;
    }
    const id = await this.#select(table, columns, values);
    if (id === undefined) throw new Error(`${table}: the row of ${values.join(', ')} is gone`);
    return id;
  }
}

/** For whom a new name counts, and as what. */
type Counted = { maker: Maker; what: keyof NameQuotas };

function cacheKey(table: string, values: readonly SqlValue[]): string {
  return `${table}\n${values.join('\n')}`;
}
