import { status } from '@grpc/grpc-js';
import { AppError } from '../errors.ts';
import { ipNetwork, plainIp } from '../net/ip-network.ts';

/** Streams of one method that are open at once in this process. They may stay open for as long as their connection. */
const MAX_OPEN_STREAMS = 1_000;

/** Ends a stream with an error. */
type End = (error: AppError) => void;

/**
 * The streams that are open, by method and by the network that they come from. When all places of a method are taken, a newcomer gets one of the
 * network that holds the most, if that one holds more than the newcomer's does: so nobody keeps others out, however many streams it opens, and many
 * callers behind one address may use what nobody else wants.
 */
export class OpenStreams {
  readonly #most: number;
  readonly #methods = new Map<string, Map<string, Set<End>>>();

  constructor(most = MAX_OPEN_STREAMS) {
    this.#most = most;
  }

  /**
   * @param peer address and port
   * @param end ends the stream, when its place is needed
   * @returns to be called when the stream has ended
   * @throws AppError RESOURCE_EXHAUSTED, TOO_MANY_STREAMS
   */
  open(method: string, peer: string, end: End): () => void {
    const networks = this.#methods.get(method) ?? new Map<string, Set<End>>();
    this.#methods.set(method, networks);
    const network = networkOf(peer);
    const count = [...networks.values()].reduce((sum, streams) => sum + streams.size, 0);
    if (count >= this.#most) this.#makeRoom(networks, network);
    const own = networks.get(network) ?? new Set<End>();
    networks.set(network, own);
    own.add(end);
    return () => leave(networks, network, end);
  }

  #makeRoom(networks: Map<string, Set<End>>, newcomer: string): void {
    const [network, streams] = [...networks].reduce((largest, each) => (each[1].size > largest[1].size ? each : largest));
    // One more than both would have then: otherwise two networks would end each other's streams in turn.
    if (streams.size <= (networks.get(newcomer)?.size ?? 0) + 1) throw tooManyStreams(this.#most);
    const newest = [...streams].at(-1) as End;
    leave(networks, network, newest);
    newest(tooManyStreams(this.#most));
  }
}

function leave(networks: Map<string, Set<End>>, network: string, end: End): void {
  const streams = networks.get(network);
  streams?.delete(end);
  if (streams?.size === 0) networks.delete(network);
}

function networkOf(peer: string): string {
  return ipNetwork(plainIp(peer.slice(0, peer.lastIndexOf(':'))));
}

function tooManyStreams(limit: number): AppError {
  return new AppError({
    status: status.RESOURCE_EXHAUSTED,
    reason: 'TOO_MANY_STREAMS',
    message: `${limit} calls of this method are open already; no more are taken at once.`,
    metadata: { limit: String(limit) },
  });
}
