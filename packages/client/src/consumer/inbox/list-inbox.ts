import { dialectOf, placeholders, run, type SqlValue } from '@tpc/core';
import type { Knex } from 'knex';
import { COLUMNS, type Columns, entryOf, type InboxEntry } from './read-inbox.ts';

/**
 * Entries that one page looks at, at most, so that it costs the same however many are stored and however few pass the filters. They are found by an index, so
 * each may be a page of the database's own, to be read from the disk.
 */
const LOOK_AT_MOST = 2_000;

/** Where a list stands: behind this entry. */
export type InboxPosition = Pick<InboxEntry, 'receivedAt' | 'messageKey' | 'generation'>;

export type ListInboxOptions = {
  group: string;
  /** Most entries of the page. */
  limit: number;
  /** `next` of the page before; undefined: the first page. */
  after?: InboxPosition | undefined;
  topic?: string | undefined;
  tag?: string | undefined;
  /** Of InboxState; none or empty: all. */
  states?: readonly number[] | undefined;
};

export type InboxPage = {
  /** `limit` of them, or fewer, even none, also before the end. */
  entries: InboxEntry[];
  /** `after` of the next page; undefined at the end and only there. What was received later has been looked at. */
  next: InboxPosition | undefined;
};

/** Conditions that hold together, with the values of their placeholders. */
type Where = { text: string[]; params: SqlValue[] };

/**
 * Lists a group's inbox, newest first, page by page by key. A page looks at 2,000 entries at most: where few of them pass the filters it is short, even
 * empty, and the next one goes on where it stopped. Index tpc_inbox_received (consumer_group, received_at).
 * @param lookAtMost only for tests: how many entries a page looks at
 */
export async function listInbox(db: Knex, options: ListInboxOptions, lookAtMost = LOOK_AT_MOST): Promise<InboxPage> {
  const { limit, topic, tag, states } = options;
  const part = behind(options);
  const floor = await floorOf(db, part, lookAtMost);
  const where: Where = { text: [...part.text], params: [...part.params] };
  const filter = (condition: string, ...values: SqlValue[]) => {
    where.text.push(condition);
    where.params.push(...values);
  };
  if (floor) filter(`received_at >= ? AND NOT ${BEFORE}`, floor.receivedAt, ...beforeValues(floor));
  if (topic) filter('topic = ?', topic);
  if (tag) filter('tag = ?', tag);
  if (states && states.length > 0) filter(`state IN (${placeholders(states.length)})`, ...states);
  // One more than asked for tells whether there is a next page.
  const found = await select(db, where, `LIMIT ${limit + 1}`);
  const entries = found.slice(0, limit);
  return { entries, next: found.length > limit ? positionOf(entries.at(-1)) : floor };
}

/** In the order of the list, an entry stands behind a position. */
const BEFORE = '(received_at < ? OR (received_at = ? AND (message_key < ? OR (message_key = ? AND generation < ?))))';
const beforeValues = ({ receivedAt, messageKey, generation }: InboxPosition): SqlValue[] => [
  receivedAt,
  receivedAt,
  messageKey,
  messageKey,
  generation,
];

/** The group's entries behind the page before. */
function behind({ group, after }: ListInboxOptions): Where {
  if (after === undefined) return { text: ['consumer_group = ?'], params: [group] };
  return { text: ['consumer_group = ?', 'received_at <= ?', BEFORE], params: [group, after.receivedAt, ...beforeValues(after)] };
}

/** The last entry that a page may look at; undefined: there are fewer. Read from the index alone. */
async function floorOf(db: Knex, part: Where, lookAtMost: number): Promise<InboxPosition | undefined> {
  const [row] = await selectColumns<Pick<Columns, 'received_at' | 'message_key' | 'generation'>>(
    db,
    'received_at, message_key, generation',
    part,
    `LIMIT 1 OFFSET ${lookAtMost - 1}`,
  );
  return row && { receivedAt: Number(row.received_at), messageKey: row.message_key, generation: row.generation };
}

async function select(db: Knex, where: Where, limit: string): Promise<InboxEntry[]> {
  return (await selectColumns<Columns>(db, COLUMNS, where, limit)).map(entryOf);
}

async function selectColumns<R>(db: Knex, columns: string, { text, params }: Where, limit: string): Promise<R[]> {
  const hint = dialectOf(db).name === 'mysql' ? 'FORCE INDEX (tpc_inbox_received)' : 'INDEXED BY tpc_inbox_received';
  const { rows } = await run<R>(
    db,
    `SELECT ${columns} FROM tpc_inbox ${hint} WHERE ${text.join(' AND ')} ORDER BY received_at DESC, message_key DESC, generation DESC ${limit}`,
    params,
  );
  return rows;
}

function positionOf(entry: InboxEntry | undefined): InboxPosition | undefined {
  return entry && { receivedAt: entry.receivedAt, messageKey: entry.messageKey, generation: entry.generation };
}
