import { topic } from './0001_topic.ts';
import { tag } from './0002_tag.ts';
import { producerGroup } from './0003_producer_group.ts';
import { outboxStore } from './0004_outbox_store.ts';
import { messageOwner } from './0005_message_owner.ts';
import { producerTopic } from './0006_producer_topic.ts';
import { consumerGroup } from './0007_consumer_group.ts';
import { subscription } from './0008_subscription.ts';
import { message } from './0009_message.ts';
import { confirm } from './0010_confirm.ts';
import { messageEvent } from './0011_message_event.ts';
import { orderHead } from './0012_order_head.ts';
import { instance } from './0013_instance.ts';
import { groupProgress } from './0014_group_progress.ts';
import { retryPolicy } from './0015_retry_policy.ts';
import { adminRequest } from './0016_admin_request.ts';
import { auditLog } from './0017_audit_log.ts';
import { epoch } from './0018_epoch.ts';
import { messageLaneTopic } from './0019_message_lane_topic.ts';
import { instanceNamesGroup } from './0020_instance_names_group.ts';
import { madeName } from './0021_made_name.ts';
import { deadCopiesAttention } from './0022_dead_copies_attention.ts';
import { confirmUrgentDue } from './0023_confirm_urgent_due.ts';
import { instanceTopics } from './0024_instance_topics.ts';
import { confirmOverdue } from './0025_confirm_overdue.ts';
import { followDue } from './0026_follow_due.ts';
import { instanceKindHeartbeat } from './0027_instance_kind_heartbeat.ts';
import { subscriptionFaults } from './0028_subscription_faults.ts';
import type { MigrationStep } from './table.ts';

/** TPC's schema, as a static list in order. A new step is added at the end; a landed one is never edited. */
export const STEPS: readonly MigrationStep[] = [
  topic,
  tag,
  producerGroup,
  outboxStore,
  messageOwner,
  producerTopic,
  consumerGroup,
  subscription,
  message,
  confirm,
  messageEvent,
  orderHead,
  instance,
  groupProgress,
  retryPolicy,
  adminRequest,
  auditLog,
  epoch,
  messageLaneTopic,
  instanceNamesGroup,
  madeName,
  deadCopiesAttention,
  confirmUrgentDue,
  instanceTopics,
  confirmOverdue,
  followDue,
  instanceKindHeartbeat,
  subscriptionFaults,
];
