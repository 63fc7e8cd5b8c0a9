export { type BrokerTimes, type BrokerUnderTest, exerciseBroker, ROCKETMQ_TIMES } from './broker.ts';
export { exerciseKeyValueStore, type KeyValueUnderTest } from './key-value.ts';
export { exerciseSmtp, type MailServerUnderTest } from './mail.ts';
