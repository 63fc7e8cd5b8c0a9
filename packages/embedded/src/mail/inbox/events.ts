/** Server-sent events for the inbox page: tells every open page that a mail came, was read, or mails went. Nothing depends on their arrival. */
import type { ServerResponse } from 'node:http';

/** Keeps proxies and browsers from taking a quiet stream for a dead one; milliseconds. */
const HEARTBEAT_MS = 15_000;
/** How soon a page connects again after a break; milliseconds. */
const RETRY_MS = 1000;
/** A page that leaves so much unread is let go, bytes; it connects again and asks for what is new. */
const MAX_UNREAD_BYTES = 64 * 1024;

export type MailEvents = {
  /** Tells all open pages. */
  publish(event: 'mail' | 'read' | 'deleted', data: unknown): void;
  /** Turns an HTTP response into an event stream, until either side ends it. */
  attach(response: ServerResponse): void;
  close(): void;
};

export function createMailEvents(): MailEvents {
  const open = new Set<ServerResponse>();
  const write = (text: string) => {
    for (const response of open) {
      if (response.writableLength > MAX_UNREAD_BYTES) response.destroy();
      else response.write(text);
    }
  };
  const heartbeat = setInterval(() => write(': still here\n\n'), HEARTBEAT_MS);
  heartbeat.unref();
  return {
    publish: (event, data) => write(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`),
    attach(response) {
      response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store', 'x-accel-buffering': 'no' });
      response.write(`retry: ${RETRY_MS}\n\n`);
      open.add(response);
      response.on('close', () => open.delete(response));
    },
    close() {
      clearInterval(heartbeat);
      for (const response of open) response.end();
      open.clear();
    },
  };
}
