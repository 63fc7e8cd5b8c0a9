/** Mailpit's REST paths over the store, in Mailpit's JSON. Errors are plain text, as Mailpit's are. */
import type { FastifyInstance, FastifyReply } from 'fastify';
import type { Chaos } from '../smtp/chaos.ts';
import type { MailStore } from '../store/store.ts';
import type { MailEvents } from './events.ts';
import { type Message, messageHeaders } from './mailpit.ts';
import { VIEW_HEADERS, viewHtml } from './view-html.ts';

const DEFAULT_LIMIT = 50;
/** Mailpit's limit=0: all. */
const NO_LIMIT = -1;
const TEXT = 'text/plain; charset=utf-8';

type Paged = { Querystring: { start?: string; limit?: string; query?: string } };
type ById = { Params: { id: string } };

/** What `GET /api/v1/info` tells beside the counts. */
export type AppFacts = { version: string; file: string; startedAt: number; accepted: () => { mails: number; bytes: number } };

export type ApiOptions = { store: MailStore; events: MailEvents; chaos: Chaos; facts: AppFacts };

export function registerApi(app: FastifyInstance, { store, events, chaos, facts }: ApiOptions): void {
  let deleted = 0;
  app.get<Paged>('/api/v1/messages', ({ query }) => store.list(pageOf(query)));
  app.get<Paged>('/api/v1/search', ({ query }) => store.list({ ...pageOf(query), query: query.query ?? '' }));
  app.delete('/api/v1/messages', (request, reply) => {
    const ids = idsOf(request.body);
    deleted += store.remove(ids);
    events.publish('deleted', ids ? { IDs: ids } : {});
    return reply.type(TEXT).send('ok');
  });
  app.get('/api/v1/info', () => appInformation(store, facts, deleted));
  app.get('/api/v1/chaos', () => chaos.triggers());
  app.put('/api/v1/chaos', ({ body }) => chaos.set(typeof body === 'string' ? body : ''));
  app.get('/api/v1/events', (_request, reply) => {
    reply.hijack();
    events.attach(reply.raw);
  });
  app.get('/livez', (_request, reply) => reply.type(TEXT).send('ok'));
  app.get('/readyz', (_request, reply) => {
    store.counts();
    return reply.type(TEXT).send('ok');
  });
  registerMessage(app, store, events);
  registerView(app, store);
}

function registerMessage(app: FastifyInstance, store: MailStore, events: MailEvents): void {
  app.get<ById>('/api/v1/message/:id', ({ params }, reply) => {
    const message = store.get(resolveId(store, params.id));
    if (!message) return notFound(reply, params.id);
    if (store.markRead(message.ID)) events.publish('read', { ID: message.ID });
    return message;
  });
  app.get<ById>('/api/v1/message/:id/headers', ({ params }, reply) => {
    const raw = store.raw(resolveId(store, params.id));
    return raw ? messageHeaders(raw) : notFound(reply, params.id);
  });
  app.get<ById & { Querystring: { dl?: string } }>('/api/v1/message/:id/raw', ({ params, query }, reply) => {
    const raw = store.raw(resolveId(store, params.id));
    if (!raw) return notFound(reply, params.id);
    if (query.dl === '1') reply.header('content-disposition', `attachment; filename="${encodeURIComponent(params.id)}.eml"`);
    return reply.type(TEXT).send(raw);
  });
  app.get<{ Params: { id: string; partId: string } }>('/api/v1/message/:id/part/:partId', ({ params }, reply) => {
    const part = store.part(resolveId(store, params.id), params.partId);
    if (!part) return notFound(reply, `${params.id}, part ${params.partId}`);
    // The sender chose type and content: the sandbox keeps an HTML or SVG attachment from running anything in this origin.
    return reply
      .headers({ ...VIEW_HEADERS, 'content-disposition': `inline; filename*=UTF-8''${encodeURIComponent(part.fileName)}` })
      .type(/^[\w.+-]+\/[\w.+-]+$/.test(part.contentType) ? part.contentType : 'application/octet-stream')
      .send(part.content);
  });
}

function registerView(app: FastifyInstance, store: MailStore): void {
  app.get<ById>('/view/:id.html', ({ params }, reply) => {
    const message = store.get(resolveId(store, params.id));
    if (!message?.HTML) return notFound(reply, params.id);
    return reply
      .headers(VIEW_HEADERS)
      .type('text/html; charset=utf-8')
      .send(viewHtml(message.HTML, partUrlsOf(message)));
  });
  app.get<ById>('/view/:id.txt', ({ params }, reply) => {
    const message = store.get(resolveId(store, params.id));
    return message ? reply.type(TEXT).send(message.Text) : notFound(reply, params.id);
  });
}

function partUrlsOf({ ID, Inline, Attachments }: Message): (contentId: string) => string | undefined {
  const parts = new Map([...Attachments, ...Inline].map((part) => [part.ContentID, part.PartID]));
  return (contentId) => {
    const partId = parts.get(contentId);
    return partId && `/api/v1/message/${ID}/part/${encodeURIComponent(partId)}`;
  };
}

/** Mailpit takes `latest` for the newest mail. */
function resolveId(store: MailStore, id: string): string {
  return id === 'latest' ? (store.latestId() ?? id) : id;
}

function notFound(reply: FastifyReply, id: string): FastifyReply {
  return reply.code(404).type(TEXT).send(`message not found: ${id}`);
}

function pageOf({ start, limit }: { start?: string; limit?: string }): { start: number; limit: number } {
  const wanted = wholeNumber(limit) ?? DEFAULT_LIMIT;
  return { start: wholeNumber(start) ?? 0, limit: wanted === 0 ? NO_LIMIT : wanted };
}

/** Like Mailpit, takes what is no whole number as not given. */
function wholeNumber(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,9}$/.test(text) ? Number(text) : undefined;
}

/** `{"IDs": […]}` names mails; no body, or no ids, means all. Anything else is refused, so that a typo never empties the box. */
function idsOf(body: unknown): string[] | undefined {
  if (typeof body !== 'string' || body.trim() === '') return undefined;
  const refuse = (reason: string) =>
    Object.assign(new Error(`the body is ${reason}; expected {"IDs": ["…"]}, or none to delete all`), { statusCode: 400 });
  let parsed: { IDs?: unknown } | null;
  try {
    parsed = JSON.parse(body);
  } catch {
    throw refuse('no JSON');
  }
  const ids = parsed?.IDs ?? [];
  if (parsed === null || typeof parsed !== 'object' || !Array.isArray(ids) || ids.some((id) => typeof id !== 'string'))
    throw refuse('of another form');
  return ids.length > 0 ? (ids as string[]) : undefined;
}

function appInformation(store: MailStore, { version, file, startedAt, accepted }: AppFacts, deleted: number): object {
  const { total, unread } = store.counts();
  const { mails, bytes } = accepted();
  return {
    Version: `tpc-${version}`,
    LatestVersion: `tpc-${version}`,
    Database: file,
    DatabaseSize: store.sizeInBytes(),
    Messages: total,
    Unread: unread,
    Tags: {},
    RuntimeStats: {
      Uptime: Math.floor((performance.now() - startedAt) / 1000),
      Memory: process.memoryUsage.rss(),
      MessagesDeleted: deleted,
      SMTPAccepted: mails,
      SMTPAcceptedSize: bytes,
    },
  };
}
