import { connect, createServer, type Server as NetServer, type Socket } from 'node:net';
import { Metadata, Server, ServerCredentials } from '@grpc/grpc-js';
import { Endpoints } from 'rocketmq-client-nodejs';
import definition from 'rocketmq-client-nodejs/proto/apache/rocketmq/v2/definition_pb.js';
import serviceGrpc from 'rocketmq-client-nodejs/proto/apache/rocketmq/v2/service_grpc_pb.js';
import service from 'rocketmq-client-nodejs/proto/apache/rocketmq/v2/service_pb.js';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { RpcLink } from './rpc-link.ts';

describe('RpcLink', () => {
  let server: Server;
  let way: NetServer;
  let endpoints: Endpoints;
  let passed: Socket[][];
  const links: RpcLink[] = [];

  beforeEach(async () => {
    server = new Server();
    server.addService(serviceGrpc.MessagingServiceService as never, {
      heartbeat: (_call: unknown, done: (error: null, response: object) => void) => {
        done(null, new service.HeartbeatResponse().setStatus(new definition.Status().setCode(definition.Code.OK)));
      },
    });
    const port = await new Promise<number>((resolve, reject) =>
      server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) => (error ? reject(error) : resolve(bound))),
    );
    passed = [];
    way = createServer((caller) => {
      const target = connect(port, '127.0.0.1');
      passed.push([caller, target]);
      for (const socket of [caller, target]) socket.on('error', () => socket.destroy());
      caller.pipe(target).pipe(caller);
    });
    await new Promise<void>((resolve) => way.listen(0, '127.0.0.1', resolve));
    endpoints = new Endpoints(`127.0.0.1:${(way.address() as { port: number }).port}`);
  });
  afterEach(() => {
    for (const link of links.splice(0)) link.close();
    for (const socket of passed.flat()) socket.destroy();
    way.close();
    server.forceShutdown();
  });

  function makeLink(): RpcLink {
    const link = new RpcLink({ tls: false, metadata: () => new Metadata(), observer: { up: () => undefined, down: () => undefined } });
    links.push(link);
    return link;
  }

  const beat = (link: RpcLink) => link.heartbeat(endpoints, new service.HeartbeatRequest(), 1_000);

  /** As when the network between dies without a word: no end, no answer. New connections pass. */
  function silenceOpenConnections(): void {
    for (const socket of passed.flat()) socket.unpipe().resume();
  }

  it('replaces a connection that fell silent, also while another link of the process keeps its own', async () => {
    const [link, other] = [makeLink(), makeLink()];
    await beat(link);
    await beat(other);
    silenceOpenConnections();
    await expect(beat(link)).rejects.toThrow('DEADLINE_EXCEEDED');
    await expect(beat(link)).rejects.toThrow('DEADLINE_EXCEEDED');
    await beat(link);
  });
});
