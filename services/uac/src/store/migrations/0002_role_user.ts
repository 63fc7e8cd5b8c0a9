import { ddl } from './columns.ts';

/** Roles of users; activation gives 10000, the visitor. */
export const roleUser = ddl(
  '0002_role_user',
  ({ end }) => `CREATE TABLE IF NOT EXISTS pc_uac_role_user (
  role_id BIGINT NOT NULL,
  user_id BIGINT NOT NULL,
  PRIMARY KEY (user_id, role_id)
${end}`,
);
