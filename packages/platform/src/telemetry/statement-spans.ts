import { context as contexts, type Span, SpanKind } from '@opentelemetry/api';
import { databaseAttributes, endSpan, errorTypeOf, statementsAreTracedByHand } from '@tpc/core';
import type { Knex } from 'knex';
import type { Tracing } from './tracing.ts';

type Statement = { sql: string; __knexUid?: string };

const OPERATION = /^\s*(SELECT|INSERT|UPDATE|DELETE)\b/i;
const TABLE = /\b(?:FROM|INTO|UPDATE)\s+[`"']?(\w+)/i;

/**
 * Gives each SQL statement of this database a span, where it is part of work that is traced. What the statement says is not in it: a table and what is
 * done to it.
 */
export function traceStatements(knex: Knex, { messages }: Tracing): void {
  // A connection has one statement under way at a time.
  const open = new Map<string | undefined, Span>();
  knex.on('query', ({ sql, __knexUid }: Statement) => {
    const active = contexts.active();
    const operation = OPERATION.exec(sql)?.[1]?.toUpperCase();
    if (operation === undefined || statementsAreTracedByHand(active)) return;
    const table = TABLE.exec(sql)?.[1] ?? '';
    const span = messages.start(`${operation} ${table}`, SpanKind.CLIENT, active, databaseAttributes(knex, operation, table));
    if (span) open.set(__knexUid, span);
  });
  const close = (__knexUid: string | undefined, failure?: string) => {
    endSpan(open.get(__knexUid), failure);
    open.delete(__knexUid);
  };
  knex.on('query-response', (_response: unknown, { __knexUid }: Statement) => close(__knexUid));
  knex.on('query-error', (error: unknown, { __knexUid }: Statement) => close(__knexUid, errorTypeOf(error)));
}
