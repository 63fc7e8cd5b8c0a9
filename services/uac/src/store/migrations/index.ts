import type { Migrations } from '@tpc/core';
import { user } from './0001_user.ts';
import { roleUser } from './0002_role_user.ts';
import { groupUser } from './0003_group_user.ts';
import { activationToken } from './0004_activation_token.ts';
import { activationTokenUser } from './0005_activation_token_user.ts';
import { session } from './0006_session.ts';
import { refreshToken } from './0007_refresh_token.ts';
import { loginLog } from './0008_login_log.ts';
import { loginLogUser } from './0009_login_log_user.ts';
import { workerLease } from './0010_worker_lease.ts';
import { signingKey } from './0011_signing_key.ts';
import { userClaims } from './0012_user_claims.ts';
import { userMobileKeys } from './0013_user_mobile_keys.ts';

/** UAC's schema; new steps are added at the end, none is edited after it landed. */
export const uacMigrations: Migrations = {
  tableName: 'uac_migrations',
  list: [
    user,
    roleUser,
    groupUser,
    activationToken,
    activationTokenUser,
    session,
    refreshToken,
    loginLog,
    loginLogUser,
    workerLease,
    signingKey,
    userClaims,
    userMobileKeys,
  ],
};
