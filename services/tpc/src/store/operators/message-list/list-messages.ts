import { run } from '@tpc/core';
import type { StoreContext } from '../../base/context.ts';
import type { ListMessages, MessageFilter, MessagePage, MessageRow } from '../../store-types.ts';
import { MESSAGE_COLUMNS, MESSAGE_JOINS, type StoredMessage, toMessageRow } from '../message-row.ts';
import { type Conditions, filterSql } from './filter-sql.ts';
import { CLOCK_DISORDER_MS, firstIdSince } from './first-id-since.ts';
import { hintOf, newestOf, type Source, sourceOf } from './sources.ts';

/** Messages that one page looks at, at most, so that it costs the same however many are stored and however few pass the filter. */
export type LookAtMost = {
  /** Of messages that stand side by side in the order of ids. */
  inOrder: number;
  /** Of messages that are found by another index: each may be a page of the database's own, to be read from the disk. */
  byIndex: number;
};

const LOOK_AT_MOST: LookAtMost = { inOrder: 10_000, byIndex: 2_000 };

const NOTHING: MessagePage = { messages: [], next: undefined, searchedBackTo: undefined };

/** A page to find: among the rows of a source with ids below `below`, which pass `conditions`. */
type Search = {
  ctx: StoreContext;
  filter: MessageFilter;
  conditions: Conditions;
  source: Source;
  below: number;
  pageSize: number;
  most: number;
};

/**
 * Messages by filter, newest first, by keyset over the id (Store.listMessages). A page looks at a bounded part of its source: where few rows pass the
 * filter it is short, even empty, and the next one goes on where it stopped. Late commits may slip in before a page that was shown already, so it is
 * for looking, not for work.
 * Index: UNIQUE (message_key) for a key; otherwise that of the source (sourceOf).
 * @param lookAtMost only for tests
 */
export async function listMessages(ctx: StoreContext, request: ListMessages, lookAtMost = LOOK_AT_MOST): Promise<MessagePage> {
  const { filter, after, pageSize } = request;
  const conditions = await filterSql(ctx, filter);
  if (conditions === undefined) return NOTHING;
  return ctx.retry(async () => {
    if (filter.messageKey) return { ...NOTHING, messages: await readPage(ctx, conditions, 1) };
    const source = await sourceOf(ctx, filter, lookAtMost.byIndex);
    const below = after ?? (await firstIdSince(ctx, filter.createdTo));
    if (below === undefined) return NOTHING;
    const most = source.index === 'PRIMARY' ? lookAtMost.inOrder : lookAtMost.byIndex;
    const search = { ctx, filter, conditions, source, below, pageSize, most };
    return source.small ? searchAll(search) : searchPart(search);
  });
}

async function searchAll(search: Search): Promise<MessagePage> {
  return pageOf(search, await readRange(search, { below: search.below }), undefined);
}

/** Looks at the last ids first, which fill a page where many rows pass; then at as many rows more as a page may look at, should ids have gaps. */
async function searchPart(search: Search): Promise<MessagePage> {
  const { below, most, pageSize } = search;
  const near = below - most;
  const found = await readRange(search, { from: near, below });
  if (found.length > pageSize || near <= 1) return pageOf(search, found, undefined);
  const from = await nthIdBelow(search, most);
  if (from === undefined || from < near) found.push(...(await readRange(search, { from, below: near })));
  return pageOf(search, found, from === undefined ? undefined : await newestBelow(search, Math.min(from, near)));
}

/** @param rest the newest row that was not looked at */
function pageOf({ pageSize }: Search, found: readonly MessageRow[], rest: Rest | undefined): MessagePage {
  const messages = found.slice(0, pageSize);
  const last = messages.at(-1);
  if (found.length > pageSize && last !== undefined) return { messages, next: last.id, searchedBackTo: last.createdAt };
  return { messages, next: rest && rest.id + 1, searchedBackTo: rest?.created_at };
}

type Range = { from?: number | undefined; below: number };

/** What passes the filter, one row more than a page has. */
function readRange({ ctx, conditions, source, pageSize }: Search, { from, below }: Range): Promise<MessageRow[]> {
  const all: Conditions = { text: ['m.id < ?', ...conditions.text], params: [below, ...conditions.params] };
  if (from !== undefined) {
    all.text.push('m.id >= ?');
    all.params.push(from);
  }
  if (source.only !== undefined) {
    all.text.push(source.only.text);
    all.params.push(...source.only.params);
  }
  return readPage(ctx, all, pageSize + 1, source);
}

type Rest = { id: number; created_at: number };

/** The id of the source's nth row of the search, in the index alone; undefined: there are fewer. */
async function nthIdBelow(search: Search, n: number): Promise<number | undefined> {
  return (await lookBelow(search, 'm.id', search.below, n - 1))?.id;
}

/** The newest row of the source below an id; undefined when there is none, or all below are older than the filter asks for. */
async function newestBelow(search: Search, id: number): Promise<Rest | undefined> {
  const row = await lookBelow(search, 'm.id, m.created_at', id, 0);
  const { createdFrom } = search.filter;
  return row !== undefined && createdFrom !== undefined && row.created_at < createdFrom - CLOCK_DISORDER_MS ? undefined : row;
}

async function lookBelow({ ctx, source }: Search, columns: string, below: number, skip: number): Promise<Rest | undefined> {
  const { text, params } = source.only ?? { text: '1 = 1', params: [] };
  const where = { text: `${text} AND m.id < ?`, params: [...params, below] };
  const newest = newestOf(columns, `message m${hintOf(ctx, source)}`, where, source, skip + 1);
  const { rows } = await run<Rest>(ctx.knex, `SELECT * FROM (${newest.sql}) newest ORDER BY id DESC LIMIT 1 OFFSET ?`, [...newest.params, skip]);
  return rows[0];
}

async function readPage(ctx: StoreContext, { text, params }: Conditions, limit: number, source?: Source): Promise<MessageRow[]> {
  // The page's ids come first, from the message table alone: joined at once, the optimizer may begin with a small table and sort all messages.
  const hint = source === undefined ? '' : hintOf(ctx, source);
  const ids = newestOf('m.id', `message m${hint}`, { text: text.join(' AND '), params }, source ?? {}, limit);
  const sql = `SELECT ${MESSAGE_COLUMNS} FROM (${ids.sql}) page JOIN message m ON m.id = page.id ${MESSAGE_JOINS} ORDER BY m.id DESC`;
  const { rows } = await run<StoredMessage>(ctx.knex, sql, ids.params);
  return rows.map(toMessageRow);
}
