import { INVALID_TOPIC, keepInvalid } from '../../domain/invalid-content.ts';
import { reasonText } from '../../domain/reasons.ts';
import type { SaveAndSendItem, SaveItem } from '../store-types.ts';
import type { QuotaReached } from './quotas.ts';

/**
 * What is stored of a committed message whose topic or tag would be beyond its group's quota: the business has committed, so it is kept DEAD
 * (CONTENT_INVALID) with everything that was handed over, under a topic that needs no new name.
 */
export function beyondQuota(
  item: SaveItem & Pick<SaveAndSendItem, 'invalid'>,
  { refusal }: QuotaReached,
): SaveItem & Pick<SaveAndSendItem, 'invalid'> {
  const { content, messageKey, producerGroup } = item;
  const description = reasonText(refusal.refused, refusal.metadata);
  const given = { ...content, messageKey, delayLevel: 0, deliverTime: undefined, orderKey: '', orderSeq: 0n };
  const kept = keepInvalid(given, producerGroup, [{ field: 'message.topic', reason: 'QUOTA_REACHED', description }]);
  return { ...item, content: { ...content, ...kept.content, topic: INVALID_TOPIC, tag: '' }, invalid: item.invalid ?? kept.invalid };
}
