import { ChannelCredentials, Metadata } from '@grpc/grpc-js';
import { proxyOptions } from '@tpc/core';
import definition from 'rocketmq-client-nodejs/proto/apache/rocketmq/v2/definition_pb.js';
import serviceGrpc from 'rocketmq-client-nodejs/proto/apache/rocketmq/v2/service_grpc_pb.js';
import service, { type QueryRouteResponse } from 'rocketmq-client-nodejs/proto/apache/rocketmq/v2/service_pb.js';

const ANSWER_WITHIN_MS = 3_000;

/**
 * Asks a proxy where a topic is, as clients do.
 * @returns undefined when it knows, else its words; a refusal is an answer too
 * @throws Error when the proxy does not answer
 */
export async function queryRoute(host: string, port: number, topic: string): Promise<string | undefined> {
  const client = new serviceGrpc.MessagingServiceClient(`${host}:${port}`, ChannelCredentials.createInsecure(), proxyOptions(host));
  const address = new definition.Address().setHost(host).setPort(port);
  const endpoints = new definition.Endpoints().setScheme(definition.AddressScheme.IPV4).setAddressesList([address]);
  const request = new service.QueryRouteRequest().setTopic(new definition.Resource().setName(topic)).setEndpoints(endpoints);
  const metadata = new Metadata();
  metadata.set('x-mq-client-id', 'stack');
  metadata.set('x-mq-language', 'NODE_JS');
  try {
    const answer = await new Promise<QueryRouteResponse>((resolve, reject) => {
      client.queryRoute(request, metadata, { deadline: Date.now() + ANSWER_WITHIN_MS }, (error, response) =>
        error ? reject(error) : resolve(response),
      );
    });
    const status = answer.getStatus();
    return status?.getCode() === definition.Code.OK ? undefined : `${status?.getCode()} ${status?.getMessage()}`;
  } finally {
    client.close();
  }
}
