import { ListMessagesRequest } from '@tpc/gen/tpc/v1/message_admin_service';
import { createPageTokens } from '@tpc/platform';
import { expect, it } from 'vitest';
import type { ListMessages, MessagePage } from '../../store/store-types.ts';
import { listMessagesHandlers } from './list-messages.ts';

const TIME = 1_700_000_000_000;

it('answers a page without a find by its token and how far it has looked, and goes on from there to the end', async () => {
  const asked: ListMessages[] = [];
  const pages: MessagePage[] = [
    { messages: [], next: 41, searchedBackTo: TIME },
    { messages: [], next: undefined, searchedBackTo: undefined },
  ];
  const store = {
    listMessages: async (request: ListMessages) => {
      asked.push(request);
      return pages[asked.length - 1] as MessagePage;
    },
  };
  const { listMessages } = listMessagesHandlers({ store, pageTokens: createPageTokens(Buffer.alloc(32)) });
  const list = (pageToken: string) => listMessages({ ...ListMessagesRequest.decode(new Uint8Array()), topic: 'T', pageToken }, {} as never);
  const first = await list('');
  expect(first).toEqual({ messages: [], nextPageToken: expect.stringMatching(/.+/), searchedBackToTime: new Date(TIME) });
  expect(await list(first.nextPageToken)).toEqual({ messages: [], nextPageToken: '', searchedBackToTime: undefined });
  expect(asked.map(({ after }) => after)).toEqual([undefined, 41]);
});
