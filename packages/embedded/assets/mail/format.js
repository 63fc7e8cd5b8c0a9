/** How the inbox writes things: times, sizes, people, and text with its links. Everything becomes text nodes, never HTML. */

import { language } from './texts.js';

const DAY_MS = 24 * 60 * 60 * 1000;
const time = new Intl.DateTimeFormat(language, { hour: '2-digit', minute: '2-digit' });
const day = new Intl.DateTimeFormat(language, { day: 'numeric', month: 'short' });
const date = { weekday: 'long', year: 'numeric', month: 'long', day: 'numeric' };
const full = new Intl.DateTimeFormat(language, { ...date, hour: '2-digit', minute: '2-digit', second: '2-digit', timeZoneName: 'shortOffset' });

/** The time for today, the day for older mails. */
export function shortTime(iso) {
  const at = new Date(iso);
  const today = new Date();
  const isToday = at.toDateString() === today.toDateString() || (at <= today && today - at < DAY_MS / 4);
  return isToday ? time.format(at) : day.format(at);
}

/** The zone that all times of the page are in: its name and its distance from UTC now. */
export function zoneName() {
  const distance = full.formatToParts(new Date()).find(({ type }) => type === 'timeZoneName')?.value ?? '';
  return `${full.resolvedOptions().timeZone} (${distance})`;
}

/** With the zone, since a mail may be looked at from anywhere. */
export function fullTime(iso) {
  return full.format(new Date(iso));
}

export function size(bytes) {
  if (bytes < 1024) return `${bytes} bytes`;
  if (bytes < 1024 * 1024) return `${(bytes / 1024).toFixed(1)} KiB`;
  return `${(bytes / 1024 / 1024).toFixed(1)} MiB`;
}

/** "Name <address>", or what there is of it. */
export function person({ Name, Address }) {
  if (Name && Address) return `${Name} <${Address}>`;
  return Address || Name || '(unknown)';
}

/** ASCII only, so that a Chinese sentence right after a link is not taken into it. */
const LINK = /\b(?:https?:\/\/|mailto:)[\w\-.~:/?#[\]@!$&'()*+,;=%]+/g;

/** The text as nodes, with its links clickable; they open in a new tab. */
export function withLinks(text) {
  const nodes = document.createDocumentFragment();
  let from = 0;
  for (const match of text.matchAll(LINK)) {
    const url = trimLink(match[0]);
    nodes.append(text.slice(from, match.index), link(url));
    from = match.index + url.length;
  }
  nodes.append(text.slice(from));
  return nodes;
}

/** Punctuation at the end belongs to the sentence; a closing bracket too, unless it was opened inside. */
function trimLink(url) {
  let trimmed = url.replace(/[.,;:!?'*]+$/, '');
  for (const [open, close] of ['()', '[]']) {
    while (trimmed.endsWith(close) && !trimmed.includes(open)) trimmed = trimmed.slice(0, -1).replace(/[.,;:!?'*]+$/, '');
  }
  return trimmed;
}

function link(url) {
  const anchor = document.createElement('a');
  anchor.href = url;
  anchor.textContent = url;
  anchor.target = '_blank';
  anchor.rel = 'noopener noreferrer';
  return anchor;
}
