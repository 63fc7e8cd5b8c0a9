export { type MailCatcher, type MailCatcherOptions, startMailCatcher } from './catcher.ts';
export type { MailAddress, Message, MessageAttachment, MessageSummary, MessagesSummary } from './inbox/mailpit.ts';
export type { PageLink } from './inbox/pages.ts';
export type { MailLog } from './log.ts';
