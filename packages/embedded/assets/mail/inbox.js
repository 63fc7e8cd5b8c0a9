/**
 * The inbox: the list on the left, live by server-sent events, and which mail is open. The address tells the open mail (/message/{ID}), so
 * that Back, reload and a pasted link work. After a broken connection the list is read afresh: events may be missed, mails never are.
 */
import { fullTime, person, shortTime, zoneName } from './format.js';
import { listenToTabs, showMessage } from './message.js';
import { say } from './texts.js';

const PAGE = 50;
const SEARCH_PAUSE_MS = 150;

const $ = (id) => document.getElementById(id);
const state = { mails: [], total: 0, unread: 0, matching: 0, query: '', openId: undefined, loads: 0 };

/** Draws the list anew and keeps the keyboard's place in it: mails arrive while one moves through them. */
function renderList() {
  const focused = $('mails').contains(document.activeElement) ? document.activeElement.dataset.id : undefined;
  $('mails').replaceChildren(...state.mails.map(mailItem));
  if (focused) $('mails').querySelector(`[data-id="${focused}"]`)?.focus({ preventScroll: true });
  renderCounts();
}

function renderCounts() {
  const empty = state.total === 0;
  document.body.classList.toggle('is-empty', empty);
  document.body.classList.toggle('is-reading', state.openId !== undefined);
  $('delete-all').disabled = empty;
  $('more').hidden = state.mails.length >= state.matching;
  $('no-match').hidden = empty || state.matching > 0;
  $('count').textContent = countText();
  document.title = state.unread > 0 ? `(${state.unread}) ${say('inbox')}` : say('inbox');
  $('zone').textContent = empty ? '' : say('zone', { name: zoneName() });
  if (state.openId === undefined) {
    $('empty').hidden = !empty;
    $('choose').hidden = empty;
  }
}

function countText() {
  const total = state.total === 1 ? say('countOne') : say('countMany', { all: state.total });
  if (state.query) return say('countFound', { n: state.matching, all: total });
  return state.unread > 0 ? total + say('countUnread', { n: state.unread }) : total;
}

function mailItem(mail) {
  const item = document.createElement('li');
  const link = document.createElement('a');
  link.href = `/message/${mail.ID}`;
  link.dataset.id = mail.ID;
  link.dataset.testid = 'mail-item';
  link.classList.toggle('unread', !mail.Read);
  if (mail.ID === state.openId) link.setAttribute('aria-current', 'true');
  const to = [...mail.To, ...mail.Cc, ...mail.Bcc].map(({ Name, Address }) => Name || Address).join(', ');
  link.append(
    part('item-from', mail.From.Name || person(mail.From)),
    timePart(mail),
    part('item-subject', mail.Subject || say('noSubject')),
    part('item-to', say('to', { name: to || say('nobody') })),
    part('item-snippet', mail.Snippet),
  );
  if (!mail.Read) link.append(part('visually-hidden', say('unread')));
  if (mail.Attachments > 0)
    link.append(part('item-attachments', mail.Attachments === 1 ? say('attachmentOne') : say('attachmentMany', { n: mail.Attachments })));
  item.append(link);
  return item;
}

function part(name, text) {
  const span = document.createElement('span');
  span.className = name;
  span.textContent = text;
  return span;
}

function timePart(mail) {
  const element = document.createElement('time');
  element.className = 'item-time';
  element.dateTime = mail.Created;
  element.title = fullTime(mail.Created);
  element.textContent = shortTime(mail.Created);
  return element;
}

/** Reads the list from the server; an answer that a newer call has overtaken is dropped. */
async function load({ more = false } = {}) {
  const turn = ++state.loads;
  const start = more ? state.mails.length : 0;
  const limit = more ? PAGE : Math.max(PAGE, state.mails.length);
  const path = state.query ? `/api/v1/search?query=${encodeURIComponent(state.query)}&` : '/api/v1/messages?';
  const response = await fetch(`${path}start=${start}&limit=${limit}`);
  const page = await response.json();
  if (turn !== state.loads) return;
  const known = new Set(more ? state.mails.map(({ ID }) => ID) : []);
  state.mails = [...(more ? state.mails : []), ...page.messages.filter(({ ID }) => !known.has(ID))];
  Object.assign(state, { total: page.total, unread: page.unread, matching: page.messages_count });
  renderList();
}

let refreshing = false;
let refreshAgain = false;

/** Reads the list again; while that is under way, further events are gathered into one more reading. */
async function refresh() {
  refreshAgain = true;
  if (refreshing) return;
  refreshing = true;
  try {
    while (refreshAgain) {
      refreshAgain = false;
      await load();
    }
  } catch {
    showLive('lost', say('reconnecting'));
  } finally {
    refreshing = false;
  }
}

/** Opens the mail that the address names, or none. */
async function followAddress() {
  const id = /^\/message\/([^/]+)$/.exec(location.pathname)?.[1];
  state.openId = id;
  for (const pane of ['empty', 'choose', 'unknown', 'mail']) if (pane !== 'mail' || !id) $(pane).hidden = true;
  renderList();
  if (!id) return;
  const response = await fetch(`/api/v1/message/${id}`);
  if (state.openId !== id) return;
  if (response.ok) {
    const message = await response.json();
    if (state.openId !== id) return;
    state.openId = message.ID;
    markRead(message.ID);
    showMessage(message);
  } else $('unknown-id').textContent = decodeURIComponent(id);
  $('mail').hidden = !response.ok;
  $('unknown').hidden = response.ok;
}

function goTo(path) {
  if (path !== location.pathname) history.pushState(null, '', path);
  return followAddress();
}

function markRead(id) {
  const mail = state.mails.find(({ ID }) => ID === id);
  if (mail && !mail.Read) {
    mail.Read = true;
    state.unread = Math.max(0, state.unread - 1);
  }
  renderList();
}

function showLive(name, text) {
  $('live').dataset.state = name;
  $('live').textContent = text;
}

function listenToServer() {
  const events = new EventSource('/api/v1/events');
  events.addEventListener('open', () => {
    showLive('live', say('live'));
    void refresh();
  });
  events.addEventListener('error', () => showLive('lost', say('reconnecting')));
  events.addEventListener('mail', () => void refresh());
  events.addEventListener('read', (event) => markRead(JSON.parse(event.data).ID));
  events.addEventListener('deleted', async ({ data }) => {
    const { IDs } = JSON.parse(data);
    if (state.openId && (!IDs || IDs.includes(state.openId))) await goTo('/');
    await refresh();
  });
}

function listenToList() {
  $('mails').addEventListener('click', (event) => {
    const link = event.target.closest('a');
    if (!link || event.metaKey || event.ctrlKey || event.shiftKey || event.button !== 0) return;
    event.preventDefault();
    void goTo(link.getAttribute('href')).then(() => {
      if (getComputedStyle($('back')).display !== 'none') $('mail-pane').focus();
      else $('mails').querySelector('[aria-current]')?.focus({ preventScroll: true });
    });
  });
  $('mails').addEventListener('keydown', (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const links = [...$('mails').querySelectorAll('a')];
    links[links.indexOf(event.target.closest('a')) + step]?.focus();
  });
  $('more').addEventListener('click', () => void load({ more: true }));
  $('back').addEventListener('click', () => void goTo('/'));
}

function listenToSearch() {
  let pause;
  const search = (query) => {
    state.query = query.trim();
    state.mails = [];
    return load();
  };
  $('search').addEventListener('input', () => {
    clearTimeout(pause);
    pause = setTimeout(() => void search($('search').value), SEARCH_PAUSE_MS);
  });
  $('search-form').addEventListener('submit', (event) => {
    event.preventDefault();
    clearTimeout(pause);
    void search($('search').value);
  });
  $('clear-search').addEventListener('click', () => {
    $('search').value = '';
    void search('');
  });
}

/** Deletes mails on the server; without ids all of them. Every open page then hears of it. */
async function remove(IDs) {
  await fetch('/api/v1/messages', { method: 'DELETE', ...(IDs && { body: JSON.stringify({ IDs }) }) });
  await goTo('/');
  await refresh();
}

function listenToDelete() {
  $('delete').addEventListener('click', () => void remove([state.openId]));
  $('delete-all').addEventListener('click', () => $('confirm').showModal());
  $('confirm').addEventListener('close', async () => {
    if ($('confirm').returnValue !== 'delete') return;
    $('confirm').returnValue = '';
    await remove();
  });
}

listenToTabs();
listenToList();
listenToSearch();
listenToDelete();
listenToServer();
addEventListener('popstate', () => void followAddress());
await load();
await followAddress();
