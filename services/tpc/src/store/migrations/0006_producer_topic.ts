import { tableStep } from './table.ts';

/** Topics that a producer group says it publishes on (RegisterProducer); for people. New with the first release; empty, instant. */
export const producerTopic = tableStep({
  name: '0006_producer_topic',
  table: 'producer_topic',
  columns: () => `
  producer_group_id BIGINT NOT NULL,
  topic_id BIGINT NOT NULL,
  created_at BIGINT NOT NULL,
  PRIMARY KEY (producer_group_id, topic_id)`,
});
