export { type AccessOptions, reflectionSetting, tlsSettings, tokensFileSetting } from './access.ts';
export { type Caller, describeCaller, ROLES, type Role } from './caller.ts';
export { AUTH_REASONS } from './reasons.ts';
export { type AccessRule, guard, needs, ownGroupOnly } from './rules.ts';
export { hashToken, parseTokensFile, type TokenEntry } from './tokens.ts';
export { tpcLinkSettings } from './tpc-link-settings.ts';
