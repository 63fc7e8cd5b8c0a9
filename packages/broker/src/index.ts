export * from './port.ts';
export type { BrokerLogger, RocketMqConnection } from './rocketmq/connection.ts';
export { createRocketMqPublisher, type RocketMqPublisherOptions } from './rocketmq/publisher.ts';
export { createRocketMqSubscriber, type RocketMqSubscriberOptions } from './rocketmq/subscriber.ts';
