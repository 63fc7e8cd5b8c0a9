/**
 * RocketMQ's own remoting protocol, as far as topics and consumer groups need it: the admin commands of its tools, without a JVM for each. A frame is
 * its length, the header's length, the header as JSON, and a body.
 */
import { connect } from 'node:net';

const ANSWER_WITHIN_MS = 5_000;
const UPDATE_AND_CREATE_TOPIC = 17;
const GET_BROKER_CLUSTER_INFO = 106;
const UPDATE_AND_CREATE_SUBSCRIPTION_GROUP = 200;
const GET_TOPIC_CONFIG = 351;
const GET_SUBSCRIPTION_GROUP_CONFIG = 352;
const SUCCESS = 0;
const READ_AND_WRITE = 6;
const QUEUES = 4;

type Address = { host: string; port: number };
type Answer = { code: number; remark: string; body: Buffer };

/** Names of the brokers that a name server knows. */
export async function brokersOf(nameServer: Address): Promise<string[]> {
  const { body } = await succeed(nameServer, GET_BROKER_CLUSTER_INFO, {});
  // Not quite JSON: broker ids stand as bare numbers where JSON wants names.
  const { brokerAddrTable } = JSON.parse(body.toString().replace(/([{,])(\d+):/g, '$1"$2":')) as { brokerAddrTable?: Record<string, unknown> };
  return Object.keys(brokerAddrTable ?? {});
}

/** Makes a topic, unless the broker has one of this name. @param type of its messages */
export async function ensureTopic(broker: Address, topic: string, type: 'NORMAL' | 'TRANSACTION' = 'NORMAL'): Promise<void> {
  if ((await call(broker, GET_TOPIC_CONFIG, { topic })).code === SUCCESS) return;
  await succeed(broker, UPDATE_AND_CREATE_TOPIC, {
    topic,
    defaultTopic: 'TBW102',
    readQueueNums: String(QUEUES),
    writeQueueNums: String(QUEUES),
    perm: String(READ_AND_WRITE),
    topicFilterType: 'SINGLE_TAG',
    topicSysFlag: '0',
    order: 'false',
    attributes: `+message.type=${type}`,
  });
}

/** Makes a consumer group, unless the broker has one of this name. */
export async function ensureGroup(broker: Address, groupName: string): Promise<void> {
  if ((await call(broker, GET_SUBSCRIPTION_GROUP_CONFIG, { group: groupName })).code === SUCCESS) return;
  const config = { groupName, consumeEnable: true, consumeFromMinEnable: false, consumeBroadcastEnable: false, retryQueueNums: 1, retryMaxTimes: 16 };
  await succeed(broker, UPDATE_AND_CREATE_SUBSCRIPTION_GROUP, {}, Buffer.from(JSON.stringify(config)));
}

async function succeed(to: Address, code: number, fields: Record<string, string>, body?: Buffer): Promise<Answer> {
  const answer = await call(to, code, fields, body);
  if (answer.code !== SUCCESS) throw new Error(`RocketMQ at ${to.host}:${to.port} refuses request ${code}: ${answer.code} ${answer.remark}`);
  return answer;
}

/** One request on a connection of its own. */
async function call(to: Address, code: number, extFields: Record<string, string>, body: Buffer = Buffer.alloc(0)): Promise<Answer> {
  const socket = connect({ ...to, timeout: ANSWER_WITHIN_MS });
  try {
    return await new Promise<Answer>((resolve, reject) => {
      let received = Buffer.alloc(0);
      socket.once('connect', () => socket.write(toFrame({ code, language: 'JAVA', version: 0, opaque: 1, flag: 0, extFields }, body)));
      socket.on('data', (chunk: Buffer) => {
        received = Buffer.concat([received, chunk]);
        const answer = fromFrame(received);
        if (answer) resolve(answer);
      });
      socket.once('timeout', () => reject(new Error(`RocketMQ at ${to.host}:${to.port} does not answer`)));
      socket.once('error', reject);
      socket.once('close', () => reject(new Error(`RocketMQ at ${to.host}:${to.port} closed the connection`)));
    });
  } finally {
    socket.destroy();
  }
}

function toFrame(header: object, body: Buffer): Buffer {
  const text = Buffer.from(JSON.stringify(header));
  const lengths = Buffer.alloc(8);
  lengths.writeUInt32BE(4 + text.length + body.length, 0);
  lengths.writeUInt32BE(text.length, 4); // The highest byte says how the header is written; 0 is JSON.
  return Buffer.concat([lengths, text, body]);
}

function fromFrame(received: Buffer): Answer | undefined {
  if (received.length < 8) return undefined;
  const end = 4 + received.readUInt32BE(0);
  if (received.length < end) return undefined;
  const bodyAt = 8 + (received.readUInt32BE(4) & 0xff_ff_ff);
  const { code, remark } = JSON.parse(received.subarray(8, bodyAt).toString()) as { code: number; remark?: string };
  return { code, remark: remark ?? '', body: received.subarray(bodyAt, end) };
}
