import { checkConsumerGroup } from '@tpc/core';
import type { PageTokens } from '@tpc/platform';
import type { Store } from '../../store/store.ts';
import { appErrorOfRefusal, isRefusal } from '../errors.ts';
import type { AdminHandlers } from '../handlers.ts';
import { checkText, refuseViolations } from '../validate.ts';
import { actorOf, checkRequestId, MAX_COMMENT } from './resend-message.ts';

const DEFAULT_PAGE_SIZE = 50;
const MAX_PAGE_SIZE = 500;
/** What a page token of this list belongs to, so that one of another list, or with another filter, is refused. */
const listOf = (attentionOnly: boolean) => ({ list: 'consumer_groups', ...(attentionOnly && { attentionOnly }) });

/** Lists consumer groups, and removes one at an operator's wish. */
export function consumerGroupHandlers(options: {
  store: Pick<Store, 'listConsumerGroups' | 'removeConsumerGroup'>;
  pageTokens: PageTokens;
}): Pick<AdminHandlers, 'listConsumerGroups' | 'removeConsumerGroup'> {
  return {
    async listConsumerGroups({ pageSize, pageToken, attentionOnly = false }) {
      const negative = { field: 'page_size', reason: 'OUT_OF_RANGE', description: 'The page size must not be negative.' };
      refuseViolations(pageSize < 0 ? [negative] : []);
      const list = listOf(attentionOnly);
      const after = options.pageTokens.decode(pageToken, list) as string | undefined;
      const limit = pageSize === 0 ? DEFAULT_PAGE_SIZE : Math.min(pageSize, MAX_PAGE_SIZE);
      const groups = await options.store.listConsumerGroups({ after, limit: limit + 1, attentionOnly });
      const page = groups.slice(0, limit);
      return {
        consumerGroups: page.map(({ name, subscriptions, storeId, instances, unreceived, dead, differing, untaken }) => ({
          name,
          subscriptions,
          storeId,
          liveInstanceCount: instances,
          unreceivedCount: BigInt(unreceived),
          deadCount: BigInt(dead),
          differingSubscriptions: differing,
          untakenSubscriptions: untaken,
        })),
        nextPageToken: groups.length > limit ? options.pageTokens.encode(page.at(-1)?.name ?? '', list) : '',
      };
    },
    async removeConsumerGroup({ consumerGroup, requestId, comment, validateOnly, force }, { caller }) {
      refuseViolations([
        ...checkConsumerGroup('consumer_group', consumerGroup),
        ...checkRequestId(requestId),
        ...checkText('comment', comment, MAX_COMMENT),
      ]);
      const act = { consumerGroup, requestId: requestId.toLowerCase(), actor: actorOf(caller), comment, validateOnly, force };
      const result = await options.store.removeConsumerGroup(act);
      if (isRefusal(result)) throw appErrorOfRefusal(result);
      return { skippedCount: BigInt(result.skipped), skippedSample: result.sample };
    },
  };
}
