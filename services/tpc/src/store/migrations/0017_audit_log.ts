import { tableStep } from './table.ts';

/** Who changed what: topics, groups, subscriptions, policies, bulk acts. Not used before those acts are served. New with the first release. */
export const auditLog = tableStep({
  name: '0017_audit_log',
  table: 'audit_log',
  columns: (t) => `
  id ${t.autoId},
  at BIGINT NOT NULL,
  actor ${t.text(128)} NOT NULL,
  act ${t.ascii(64)} NOT NULL,
  subject ${t.text(512)} NOT NULL,
  request_id ${t.ascii(64)} NOT NULL DEFAULT '',
  detail ${t.smallBlob} NULL`,
  indexes: { audit_log_at: 'at' },
});
