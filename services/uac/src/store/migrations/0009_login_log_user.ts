import { index } from './columns.ts';

/** Serves a user's log, newest first. */
export const loginLogUser = index('0009_login_log_user', 'CREATE INDEX k_login_log_user ON uac_login_log (user_id, at)');
