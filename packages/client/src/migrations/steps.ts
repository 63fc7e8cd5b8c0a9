import type { MigrationStep } from './step.ts';
import { outbox } from './steps/0001_outbox.ts';
import { outboxOrder } from './steps/0002_outbox_order.ts';
import { storeMeta } from './steps/0003_store_meta.ts';
import { storeId } from './steps/0004_store_id.ts';
import { inbox } from './steps/0005_inbox.ts';
import { inboxEffect } from './steps/0006_inbox_effect.ts';
import { inboxDueByTopic } from './steps/0007_inbox_due_by_topic.ts';
import { outboxGroup } from './steps/0008_outbox_group.ts';
import { inboxEffectDeferrals } from './steps/0009_inbox_effect_deferrals.ts';

/** All steps in order; new ones are added at the end. */
export const STEPS: readonly MigrationStep[] = [
  outbox,
  outboxOrder,
  storeMeta,
  storeId,
  inbox,
  inboxEffect,
  inboxDueByTopic,
  outboxGroup,
  inboxEffectDeferrals,
];
