import type { Context } from '@opentelemetry/api';
import type { OutgoingBrokerMessage } from '@tpc/broker';
import { encodeDeliveryProperties, storedTraceOfContext } from '@tpc/core';
import type { PublishItem } from '../store/store-types.ts';

/** A claimed message; with a group, for this group alone (a redelivery). */
export type PublishOrder = PublishItem & {
  consumerGroup?: string;
  /** It was, or may have been, published before. */
  repeats?: boolean;
};

/**
 * How a stored message looks to the broker.
 * @param trace of its publish, under which the consumers go on; without one, under what the message brought
 */
export function toBrokerMessage(item: PublishOrder, trace?: Context): OutgoingBrokerMessage {
  const { content } = item;
  const { traceparent, tracestate } = trace === undefined ? content : storedTraceOfContext(trace);
  return {
    ...(trace === undefined ? {} : { trace }),
    topic: content.topic,
    tag: content.tag,
    keys: [item.messageKey],
    body: content.body,
    properties: encodeDeliveryProperties({
      messageKey: item.messageKey,
      producerGroup: item.producerGroup,
      generation: item.generation,
      onlyGroup: item.consumerGroup,
      contentType: content.contentType,
      headers: content.headers,
      traceparent,
      tracestate,
    }),
  };
}
