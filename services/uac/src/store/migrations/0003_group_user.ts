import { ddl } from './columns.ts';

/** Groups of users; activation gives group 1. */
export const groupUser = ddl(
  '0003_group_user',
  ({ end }) => `CREATE TABLE IF NOT EXISTS pc_uac_group_user (
  group_id BIGINT NOT NULL,
  user_id BIGINT NOT NULL,
  PRIMARY KEY (user_id, group_id)
${end}`,
);
