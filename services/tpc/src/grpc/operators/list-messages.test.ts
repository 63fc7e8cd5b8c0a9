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

it.each([
  ['create_time_from', 9],
  ['create_time_to', 10],
])('refuses a %s beyond every calendar, with its field', async (field, number) => {
  const store = { listMessages: () => Promise.reject(new Error('the database was asked')) };
  const { listMessages } = listMessagesHandlers({ store, pageTokens: createPageTokens(Buffer.alloc(32)) });
  // A Timestamp of 10^15 seconds as it comes over the wire.
  const seconds = Buffer.from('0880809aa6eaafe301', 'hex');
  const request = ListMessagesRequest.decode(Buffer.concat([Buffer.from([(number << 3) | 2, seconds.length]), seconds]));
  await expect(listMessages(request, {} as never)).rejects.toMatchObject({ violations: [{ field, reason: 'OUT_OF_RANGE' }] });
});
