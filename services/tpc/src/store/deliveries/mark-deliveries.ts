import { deferWrite, inPacketTransaction, placeholders, type Sql, type SqlValue, type Tx } from '@tpc/core';
import { decideMark, type MarkDecision, strongerReport } from '../../domain/mark-copy.ts';
import type { Refusal } from '../../domain/reasons.ts';
import { ConfirmStatus, WaitReason } from '../../domain/states.ts';
import type { StoreContext } from '../base/context.ts';
import { heldByAnother, inLockPasses, type LockedMessage, type LockPass, lockMessagesAndRead } from '../base/lock-messages.ts';
import { addEvents, type NewEvent } from '../base/message-events.ts';
import { unmarkMessages } from '../consumer-groups/not-taken.ts';
import { type EndedOverdue, endOverdue } from '../overdue/end-overdue.ts';
import type { Mark, MarkResult } from '../store-types.ts';
import { closeGroups } from './close-groups.ts';
import type { Progress } from './group-progress.ts';

/** One for each group, message and inbox database that reports. */
type Report = { groupId: number; mark: Mark };

type CopyRow = {
  message_id: number;
  group_id: number;
  status: number;
  dead: number;
  generation: number;
  published_at: number | null;
  overdue: number;
  now: number;
  /** The inbox database to which the group is bound; null: none yet. */
  inbox_store: string | null;
};

/** A report with the copy that it is about, before anything is decided. */
type Found = Report & { row: LockedMessage; copy: CopyRow };

type Decided = Report & MarkDecision & { messageId: number; row: LockedMessage; copy: CopyRow };

const slotOf = ({ messageKey, consumerGroup }: Mark) => `${messageKey} ${consumerGroup}`;
/** Reports from two databases are not merged: one of them may have to be refused. */
const sourceOf = (mark: Mark) => (mark.storeId === undefined ? slotOf(mark) : `${slotOf(mark)} ${mark.storeId}`);

/**
 * Takes consumers' reports (Store.markDeliveries): receive, consumed and failure of all groups in one transaction. Whoever settles a confirm row has
 * locked its message first, so two replicas that settle the last two groups cannot both miss the end.
 * Index: UNIQUE (message_key), PRIMARY of message, PRIMARY of confirm. Locks: message rows by id, then their confirm rows.
 */
export async function markDeliveries(ctx: StoreContext, marks: readonly Mark[]): Promise<(MarkResult | Refusal)[]> {
  const groups = await ctx.names.findConsumerGroups(marks.map((mark) => mark.consumerGroup));
  const reports = new Map<string, Report>();
  for (const mark of marks) {
    const groupId = groups.get(mark.consumerGroup);
    if (groupId === undefined) continue;
    const before = reports.get(sourceOf(mark));
    reports.set(sourceOf(mark), { groupId, mark: before === undefined ? mark : strongerReport(before.mark, mark) });
  }
  const keys = [...reports.values()].map(({ mark }) => mark.messageKey);
  const tracked = new Set<string>();
  const foreign = new Set<string>();
  const progress: Progress[] = [];
  const held = await inLockPasses(ctx, keys, async (ids, pass) => {
    const { decided, locked, fenced } = await markOnce(ctx, [...reports.values()], ids, pass);
    for (const { mark } of fenced) foreign.add(sourceOf(mark));
    for (const { mark } of decided) tracked.add(slotOf(mark));
    tell(ctx, decided);
    progress.push(...decided.flatMap(progressOf));
    return locked;
  });
  await ctx.progress.note(ctx, progress);
  return marks.map((mark) => {
    if (reports.has(sourceOf(mark)) && held.has(mark.messageKey)) return heldByAnother(mark.messageKey);
    if (foreign.has(sourceOf(mark))) return fromAnotherInbox(mark);
    return { tracked: tracked.has(slotOf(mark)) };
  });
}

/** What was handled in another database says nothing about the group's inbox, whose own instances still have it to do. */
function fromAnotherInbox({ consumerGroup, storeId = '', instanceId = '' }: Mark): Refusal {
  return { refused: 'INBOX_STORE_CONFLICT', metadata: { consumer_group: consumerGroup, store_id: storeId, instance_id: instanceId } };
}

type Done = { decided: Decided[]; locked: LockedMessage[]; fenced: Report[] };

function markOnce(ctx: StoreContext, reports: readonly Report[], ids: readonly number[], pass: LockPass): Promise<Done> {
  return inPacketTransaction(ctx.knex, async (tx) => {
    const { locked, rows: copyRows } = await lockMessagesAndRead<CopyRow>(tx, ctx, ids, pass, readCopies(ctx, ids, reports));
    const rows = new Map(locked.map((row) => [row.message_key, row]));
    const copies = new Map(copyRows.map((row) => [`${row.message_id} ${row.group_id}`, row]));
    const found = reports.flatMap((report): Found[] => {
      const row = rows.get(report.mark.messageKey);
      const copy = row && copies.get(`${row.id} ${report.groupId}`);
      return row === undefined || copy === undefined ? [] : [{ ...report, row, copy }];
    });
    const isForeign = ({ mark: { storeId }, copy }: Found) => storeId !== undefined && copy.inbox_store !== null && copy.inbox_store !== storeId;
    const decided = onePerCopy(found.filter((report) => !isForeign(report))).map(decide);
    await writeCopies(tx, ctx, decided);
    await closeGroups(tx, ctx, decided);
    await endOverdue(tx, ctx, decided.flatMap(endedOverdue));
    const waited = decided.filter(({ row }) => row.reason === WaitReason.TAG_NOT_TAKEN);
    await unmarkMessages(
      tx,
      waited.map(({ messageId }) => messageId),
    );
    await addEvents(tx, ctx, decided.flatMap(failureEvent));
    return { decided, locked, fenced: found.filter(isForeign) };
  });
}

function onePerCopy(found: readonly Found[]): Found[] {
  const byCopy = new Map<string, Found>();
  for (const report of found) {
    const slot = slotOf(report.mark);
    const before = byCopy.get(slot);
    byCopy.set(slot, before === undefined ? report : { ...report, mark: strongerReport(before.mark, report.mark) });
  }
  return [...byCopy.values()];
}

function decide(report: Found): Decided {
  return { ...report, messageId: report.row.id, ...decideMark({ ...report.copy, dead: report.copy.dead === 1 }, report.mark) };
}

/** The messages' confirm rows of these groups; once the messages are locked, only their redelivery could change. Index: PRIMARY of confirm. */
function readCopies(ctx: StoreContext, messageIds: readonly number[], reports: readonly Report[]): Sql {
  const groups = [...new Set(reports.map((report) => report.groupId))];
  return {
    sql: `SELECT message_id, group_id, status, dead, generation, published_at, overdue, ${ctx.sql.now} AS now,
       (SELECT inbox_store FROM consumer_group WHERE id = group_id) AS inbox_store
     FROM confirm WHERE message_id IN (${placeholders(messageIds.length)}) AND group_id IN (${placeholders(groups.length)})`,
    params: [...messageIds, ...groups],
  };
}

/** One UPDATE for each kind, group and generation, with the guard in WHERE. */
async function writeCopies(tx: Tx, ctx: StoreContext, found: readonly Decided[]): Promise<void> {
  const received = found.filter((report) => report.write === 'received');
  const consumed = found.filter((report) => report.write === 'consumed');
  for (const group of byGroupAndGeneration(received)) await setReceived(tx, ctx, group);
  for (const group of byGroupAndGeneration(consumed)) await setConsumed(tx, ctx, group);
  for (const report of found.filter((one) => one.write === 'failed')) await setFailed(tx, ctx, report);
}

function byGroupAndGeneration(reports: readonly Decided[]): Decided[][] {
  return [...Map.groupBy(reports, (report) => `${report.groupId} ${report.mark.generation}`).values()];
}

const COUNT_RECEIVE = `consume_count = consume_count + CASE WHEN status = ${ConfirmStatus.UNCONFIRMED} THEN 1 ELSE 0 END`;

async function setReceived(tx: Tx, ctx: StoreContext, group: readonly Decided[]): Promise<void> {
  await deferWrite(
    tx,
    `UPDATE confirm SET ${COUNT_RECEIVE}, status = ${ConfirmStatus.RECEIVED}, generation = ?, received_at = COALESCE(received_at, ${ctx.sql.now}),
       reason = NULL, due_at = NULL, claim = NULL, urgent = 0, overdue = 0
     WHERE group_id = ? AND message_id IN (${placeholders(group.length)}) AND status = ${ConfirmStatus.UNCONFIRMED}`,
    paramsOf(group),
  );
}

async function setConsumed(tx: Tx, ctx: StoreContext, group: readonly Decided[]): Promise<void> {
  await deferWrite(
    tx,
    `UPDATE confirm SET ${COUNT_RECEIVE}, status = ${ConfirmStatus.CONSUMED}, generation = ?, received_at = COALESCE(received_at, ${ctx.sql.now}),
       consumed_at = ${ctx.sql.now}, dead = 0, reason = NULL, reason_detail = NULL, due_at = NULL, claim = NULL, urgent = 0, overdue = 0
     WHERE group_id = ? AND message_id IN (${placeholders(group.length)}) AND status < ${ConfirmStatus.CONSUMED}`,
    paramsOf(group),
  );
}

function paramsOf(group: readonly Decided[]): SqlValue[] {
  const first = group[0] as Decided;
  return [first.mark.generation, first.groupId, ...group.map((report) => report.messageId)];
}

async function setFailed(tx: Tx, ctx: StoreContext, report: Decided): Promise<void> {
  const { reason, detail } = report.mark.kind === 'failed' ? report.mark : { reason: '', detail: '' };
  await deferWrite(
    tx,
    `UPDATE confirm SET ${COUNT_RECEIVE}, status = ${ConfirmStatus.RECEIVED}, generation = ?, received_at = COALESCE(received_at, ${ctx.sql.now}),
       dead = 1, reason = ?, reason_detail = ?, due_at = NULL, claim = NULL, urgent = 0, overdue = 0
     WHERE group_id = ? AND message_id = ? AND status < ${ConfirmStatus.CONSUMED}`,
    [report.mark.generation, reason, detail.slice(0, 1024), report.groupId, report.messageId],
  );
}

function endedOverdue({ write, copy, messageId, groupId, mark }: Decided): EndedOverdue[] {
  return write !== undefined && copy.overdue === 1 ? [{ messageId, groupId, actor: mark.consumerGroup }] : [];
}

function failureEvent(report: Decided): NewEvent[] {
  if (report.write !== 'failed' || report.mark.kind !== 'failed') return [];
  const { consumerGroup, reason, detail } = report.mark;
  return [
    { messageId: report.messageId, kind: 'FAILED', groupId: report.groupId, actor: consumerGroup, detail: `${reason}: ${detail}`, dead: reason },
  ];
}

/** What was received, and when it had been published: the measure of how far the group has come. */
function progressOf(report: Decided): Progress[] {
  const first = report.write !== undefined && report.copy.status === ConfirmStatus.UNCONFIRMED;
  const publishedAt = report.copy.published_at ?? report.row.published_at ?? report.row.confirmed_at;
  return first && publishedAt !== null ? [{ groupId: report.groupId, topicId: report.row.topic_id, publishedAt }] : [];
}

/** Tells what was committed: how long deliveries took (a replay's are left out), and how many messages have come to their good end. */
function tell({ observer }: StoreContext, decided: readonly Decided[]): void {
  const consumed = decided.filter((report) => report.write === 'consumed');
  if (consumed.length === 0) return;
  for (const [group, reports] of Map.groupBy(consumed, (report) => report.mark.consumerGroup)) {
    const first = reports.filter(({ row, copy }) => row.confirmed_at !== null && copy.generation === 1);
    const afterMs = first.map(({ row, copy }) => Math.max(0, copy.now - (row.confirmed_at as number)));
    if (afterMs.length > 0) observer.onConsumed(group, afterMs);
  }
  const byMessage = [...Map.groupBy(decided, (report) => report.messageId).values()];
  const finished = byMessage.filter((reports) => reports.some((report) => report.write === 'consumed') && endsWell(reports));
  if (finished.length > 0) observer.onFinished(finished.length);
}

/** The rule of closeGroups. @param reports all about one message */
function endsWell(reports: readonly Decided[]): boolean {
  const { row } = reports[0] as Decided;
  const open = reports.reduce((sum, report) => sum + report.open, row.open_groups);
  const dead = reports.reduce((sum, report) => sum + report.dead, row.dead_groups);
  return open <= 0 && dead <= 0;
}
