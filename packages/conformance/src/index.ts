export { exerciseSmtp, type MailServerUnderTest } from './mail.ts';
export { exerciseKeyValueStore, type KeyValueUnderTest } from './key-value.ts';
