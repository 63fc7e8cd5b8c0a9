import { describe, expect, it } from 'vitest';
import { batchAttributes, databaseAttributes, MESSAGE_KEY, messageAttributes, messageSpanName, onlyKey, rpcAttributes } from './span-attributes.ts';

const message = { messageKey: 'k', topic: 'T' };

describe('attributes of spans, by which people search', () => {
  it('of a step of the protocol are few', () => {
    const few = { messageKey: 'k', 'messaging.system.name': 'rocketmq', 'messaging.operation.name': 'save' };
    expect(messageAttributes('save', { messageKey: 'k', topic: '' })).toEqual(few);
    expect(messageAttributes('save', { ...message, tag: 'A', consumerGroup: 'G', messageId: 'b' })).toEqual({
      ...few,
      'messaging.destination.name': 'T',
      'messaging.consumer.group.name': 'G',
    });
  });

  it('of a messaging operation have its type, ids and tag, in newer and older names', () => {
    const typed = {
      messageKey: 'k',
      'messaging.system.name': 'rocketmq',
      'messaging.operation.name': 'publish',
      'messaging.destination.name': 'T',
      'messaging.operation.type': 'send',
      'messaging.message.id': 'k',
      'rocketmq.message.keys': ['k'],
      'messaging.system': 'rocketmq',
      'messaging.rocketmq.message.keys': ['k'],
    };
    expect(messageAttributes('publish', message, 'send')).toEqual(typed);
    expect(messageAttributes('publish', { ...message, tag: 'A', messageId: 'b' }, 'send')).toEqual({
      ...typed,
      'messaging.message.id': 'b',
      'rocketmq.message.tag': 'A',
    });
  });

  it('of many messages have their number, and the key where there is one alone', () => {
    const two = { 'messaging.system.name': 'rocketmq', 'messaging.operation.name': 'publish', 'messaging.batch.message_count': 2 };
    expect(batchAttributes('publish', 2)).toEqual(two);
    expect(batchAttributes('publish', 2, { a: 1 })).toEqual({ ...two, a: 1 });
    expect([onlyKey([]), onlyKey(['k']), onlyKey(['k', 'l'])]).toEqual([{}, { [MESSAGE_KEY]: 'k' }, {}]);
  });

  it('of calls and of database work', () => {
    expect(rpcAttributes('tpc.v1.S/M')).toEqual({ 'rpc.system.name': 'grpc', 'rpc.method': 'tpc.v1.S/M' });
    expect(rpcAttributes('tpc.v1.S/M', { a: 1 })).toMatchObject({ a: 1 });
    const one = { 'db.system.name': 'sqlite', 'db.operation.name': 'INSERT', 'db.collection.name': 't', 'db.query.summary': 'INSERT t' };
    expect(databaseAttributes('sqlite', 'INSERT', 't')).toEqual(one);
    expect(databaseAttributes('sqlite', 'INSERT', 't', 2)).toEqual({ ...one, 'db.operation.batch.size': 2 });
  });
});

it('a span of a message is named by topic and operation', () => {
  expect([messageSpanName('publish', 'T'), messageSpanName('publish', '')]).toEqual(['T publish', 'publish']);
});
