/** The right-hand side: one mail with its facts, attachments, and the tabs HTML, Text and Source. */
import { fullTime, person, size, withLinks } from './format.js';
import { say } from './texts.js';

/** More source than this is not laid out; the links beside it give all of it. */
const MAX_SHOWN_SOURCE = 512 * 1024;

const $ = (id) => document.getElementById(id);
const TABS = ['html', 'text', 'source'];
let shown;

/** Shows a mail in Mailpit's JSON; opens the HTML tab where it has HTML. */
export function showMessage(message) {
  shown = message;
  $('subject').textContent = message.Subject || say('noSubject');
  $('facts').replaceChildren(...factsOf(message));
  showAttachments(message);
  $('text').replaceChildren(message.Text ? withLinks(message.Text) : say('noText'));
  $('source').textContent = '';
  $('source').dataset.of = '';
  $('source-open').href = `/api/v1/message/${message.ID}/raw`;
  $('source-download').href = `/api/v1/message/${message.ID}/raw?dl=1`;
  renewFrame();
  $('tab-html').hidden = !message.HTML;
  selectTab(message.HTML ? 'html' : 'text');
}

/** A new frame for each mail: another address in the same one would be a step of its own for the Back button. */
function renewFrame() {
  const frame = $('html').cloneNode();
  frame.removeAttribute('src');
  $('html').replaceWith(frame);
}

function factsOf(message) {
  const people = (name, text, addresses) => (addresses.length > 0 ? [[name, text, addresses.map(person).join(', ')]] : []);
  const facts = [
    ['from', 'from', person(message.From)],
    ...people('to', 'toFact', message.To),
    ...people('cc', 'cc', message.Cc),
    ...people('bcc', 'bcc', message.Bcc),
    ...people('reply-to', 'replyTo', message.ReplyTo),
    ['date', 'date', fullTime(message.Date)],
    ['message-id', 'messageId', message.MessageID || say('none')],
    ['size', 'size', size(message.Size)],
  ];
  return facts.map(([name, text, value]) => {
    const row = document.createElement('div');
    const term = document.createElement('dt');
    const detail = document.createElement('dd');
    row.className = name;
    term.textContent = say(text);
    detail.textContent = value;
    detail.dataset.testid = `mail-${name}`;
    row.append(term, detail);
    return row;
  });
}

function showAttachments({ ID, Attachments }) {
  const items = Attachments.map((attachment) => {
    const item = document.createElement('li');
    const link = document.createElement('a');
    link.href = `/api/v1/message/${ID}/part/${encodeURIComponent(attachment.PartID)}`;
    link.download = attachment.FileName;
    link.textContent = `${attachment.FileName} (${size(attachment.Size)})`;
    item.append(link);
    return item;
  });
  $('attachments').replaceChildren(...items);
  $('attachments').hidden = items.length === 0;
}

function selectTab(name) {
  for (const tab of TABS) {
    const selected = tab === name;
    $(`tab-${tab}`).setAttribute('aria-selected', String(selected));
    $(`tab-${tab}`).tabIndex = selected ? 0 : -1;
    $(`panel-${tab}`).hidden = !selected;
  }
  if (name === 'html' && !$('html').hasAttribute('src')) $('html').src = `/view/${shown.ID}.html`;
  if (name === 'source') void showSource(shown.ID);
}

async function showSource(id) {
  if ($('source').dataset.of === id) return;
  $('source').dataset.of = id;
  const response = await fetch(`/api/v1/message/${id}/raw`);
  const source = await response.text();
  if (shown.ID !== id) return;
  const cut = source.length > MAX_SHOWN_SOURCE;
  $('source').textContent = cut ? `${source.slice(0, MAX_SHOWN_SOURCE)}\n${say('sourceCut')}` : source;
}

/** Click, and the arrow keys, Home and End, as the ARIA pattern for tabs has it. */
export function listenToTabs() {
  for (const tab of TABS) $(`tab-${tab}`).addEventListener('click', () => selectTab(tab));
  document.querySelector('[role=tablist]').addEventListener('keydown', (event) => {
    const tabs = TABS.filter((tab) => !$(`tab-${tab}`).hidden);
    const at = tabs.findIndex((tab) => $(`tab-${tab}`) === event.target);
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: tabs.length - 1 }[event.key];
    if (at === -1 || to === undefined) return;
    event.preventDefault();
    const next = tabs[(to + tabs.length) % tabs.length];
    selectTab(next);
    $(`tab-${next}`).focus();
  });
}
