export { type MailCatcher, type MailCatcherOptions, startMailCatcher } from './catcher.ts';
export type { MailLog } from './log.ts';
export type { MailAddress, Message, MessageAttachment, MessageSummary, MessagesSummary } from './mailpit.ts';
export type { PageLink } from './pages.ts';
