import { placeholders, run, type SqlValue } from '@tpc/core';
import { MessageState } from '../domain/states.ts';
import type { StoreContext } from './context.ts';
import { MESSAGE_COLUMNS, MESSAGE_JOINS, type StoredMessage, toMessageRow } from './message-row.ts';
import type { ListMessages, MessageFilter, MessagePage } from './store-types.ts';

type Where = { text: string[]; params: SqlValue[] };

/**
 * Messages by filter, newest first, by keyset over the id (Store.listMessages); never OFFSET. Late commits may slip in before a page that was
 * shown already, so it is for looking, not for work.
 * Index: UNIQUE (message_key) for a key; message_attention for what needs attention or is DEAD (every DEAD row has attention);
 * message_lane_due when only open states are wanted; else PRIMARY backwards.
 */
export async function listMessages(ctx: StoreContext, request: ListMessages): Promise<MessagePage> {
  const query = await listQuery(ctx, request);
  if (query === undefined) return { messages: [], next: undefined };
  const { rows } = await ctx.retry(() => run<StoredMessage>(ctx.knex, query.sql, query.params));
  const messages = rows.slice(0, request.pageSize).map(toMessageRow);
  return { messages, next: rows.length > request.pageSize ? messages.at(-1)?.id : undefined };
}

/** The statement of a page, one row longer than the page; undefined when a named topic or group does not exist. Exported for EXPLAIN in tests. */
export async function listQuery(ctx: StoreContext, request: ListMessages): Promise<{ sql: string; params: SqlValue[] } | undefined> {
  const { filter, after, pageSize } = request;
  const where: Where = { text: [], params: [] };
  const add = (text: string, ...params: SqlValue[]) => {
    where.text.push(text);
    where.params.push(...params);
  };
  if (!(await addNames(ctx, filter, add))) return undefined;
  if (filter.messageKey) add('m.message_key = ?', filter.messageKey);
  if (filter.tag) add('m.tag = ?', filter.tag);
  addStates(filter, add);
  if (filter.createdFrom !== undefined) add('m.created_at >= ?', filter.createdFrom);
  if (filter.createdTo !== undefined) add('m.created_at < ?', filter.createdTo);
  if (after !== undefined) add('m.id < ?', after);
  const condition = where.text.length === 0 ? '' : `WHERE ${where.text.join(' AND ')}`;
  // The page's ids come first, from the message table alone: joined at once, the optimizer may begin with a small table and sort all messages.
  const page = `SELECT m.id FROM message m${indexHint(ctx, filter)} ${condition} ORDER BY m.id DESC LIMIT ?`;
  const sql = `SELECT ${MESSAGE_COLUMNS} FROM (${page}) page JOIN message m ON m.id = page.id ${MESSAGE_JOINS} ORDER BY m.id DESC`;
  return { sql, params: [...where.params, pageSize + 1] };
}

type Add = (text: string, ...params: SqlValue[]) => void;

async function addNames(ctx: StoreContext, filter: MessageFilter, add: Add): Promise<boolean> {
  if (filter.producerGroup) {
    const id = (await ctx.names.findProducerGroups([filter.producerGroup])).get(filter.producerGroup);
    if (id === undefined) return false;
    add('m.producer_group_id = ?', id);
  }
  if (filter.topic) {
    const id = (await ctx.names.findTopics([filter.topic])).get(filter.topic);
    if (id === undefined) return false;
    add('m.topic_id = ?', id);
  }
  return true;
}

function addStates(filter: MessageFilter, add: Add): void {
  const states = filter.states ?? [];
  if (states.length > 0) add(`m.state IN (${placeholders(states.length)})`, ...states);
  if (filter.deadCopiesOnly) add('m.dead_groups > 0');
  if (needsAttention(filter)) add('m.attention = 1');
  else if (onlyOf(states, OPEN_STATES)) add('m.lane IS NOT NULL');
}

/** Every DEAD row, and every row with a dead copy, needs attention. */
function needsAttention({ attentionOnly, deadCopiesOnly, states = [] }: MessageFilter): boolean {
  return attentionOnly === true || deadCopiesOnly === true || onlyOf(states, [MessageState.DEAD]);
}

/** Every row in these states stands in a lane. */
const OPEN_STATES: readonly MessageState[] = [MessageState.WAITING_CONFIRM, MessageState.SENDING];

function onlyOf(states: readonly MessageState[], allowed: readonly MessageState[]): boolean {
  return states.length > 0 && states.every((state) => allowed.includes(state));
}

/** The optimizer likes to walk the primary key backwards for the ORDER BY, past millions of settled rows. */
function indexHint(ctx: StoreContext, filter: MessageFilter): string {
  if (ctx.sql.name !== 'mysql' || filter.messageKey) return '';
  if (needsAttention(filter)) return ' FORCE INDEX (message_attention)';
  return onlyOf(filter.states ?? [], OPEN_STATES) ? ' FORCE INDEX (message_lane_due)' : '';
}
