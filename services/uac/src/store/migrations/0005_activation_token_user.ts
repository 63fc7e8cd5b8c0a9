import { index } from './columns.ts';

/** Serves `voidActivationTokens`: a user's tokens. */
export const activationTokenUser = index('0005_activation_token_user', 'CREATE INDEX k_activation_token_user ON uac_activation_token (user_id)');
