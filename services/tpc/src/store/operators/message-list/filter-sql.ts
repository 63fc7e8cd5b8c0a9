import { placeholders, type SqlValue } from '@tpc/core';
import type { StoreContext } from '../../base/context.ts';
import type { MessageFilter } from '../../store-types.ts';

/** Conditions that hold together, with the values of their placeholders. */
export type Conditions = { text: string[]; params: SqlValue[] };

/** What a filter asks of a row of `message m`; undefined when a name in it is unknown, so that nothing can pass. */
export async function filterSql(ctx: Pick<StoreContext, 'names'>, filter: MessageFilter): Promise<Conditions | undefined> {
  const topicId = filter.topic && (await ctx.names.findTopics([filter.topic])).get(filter.topic);
  const producerGroupId = filter.producerGroup && (await ctx.names.findProducerGroups([filter.producerGroup])).get(filter.producerGroup);
  if (filter.topic && topicId === undefined) return undefined;
  if (filter.producerGroup && producerGroupId === undefined) return undefined;
  const { messageKey, tag, states = [], attentionOnly, deadCopiesOnly, createdFrom, createdTo } = filter;
  const all: Conditions = { text: [], params: [] };
  const add = (text: string, ...params: SqlValue[]) => {
    all.text.push(text);
    all.params.push(...params);
  };
  if (messageKey) add('m.message_key = ?', messageKey);
  if (topicId) add('m.topic_id = ?', topicId);
  if (producerGroupId) add('m.producer_group_id = ?', producerGroupId);
  if (tag) add('m.tag = ?', tag);
  if (states.length > 0) add(`m.state IN (${placeholders(states.length)})`, ...states);
  if (attentionOnly) add('m.attention IS NOT NULL');
  if (deadCopiesOnly) add('m.dead_groups > 0');
  if (createdFrom !== undefined) add('m.created_at >= ?', createdFrom);
  if (createdTo !== undefined) add('m.created_at < ?', createdTo);
  return all;
}
