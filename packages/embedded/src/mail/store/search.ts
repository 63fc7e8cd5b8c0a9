/**
 * Mailpit's search, the part of it that scripts use: words that must all occur, `from:`, `to:`, `cc:`, `bcc:`, `subject:`, `message-id:`, and
 * quotes for values with spaces (`subject:"activate your account"`). Case does not matter. A word alone is looked for everywhere.
 */

export type SearchCondition = { sql: string; value: string };

/** Field → the expression that is searched; all are lower-cased text. */
const FIELDS: Record<string, string> = {
  from: 'm.from_text',
  to: 'm.to_text',
  cc: 'm.cc_text',
  bcc: 'm.bcc_text',
  subject: 'm.subject_text',
  'message-id': 'lower(m.message_id)',
};

const ANYWHERE =
  "m.subject_text || ' ' || m.from_text || ' ' || m.to_text || ' ' || m.cc_text || ' ' || m.bcc_text || ' ' || lower(m.message_id) || ' ' || c.body_text";

const TERM = /(?:([a-z-]+):)?(?:"([^"]*)"|(\S+))/giy;

/** Conditions over `mail m JOIN mail_content c`, to be joined by AND; none for an empty query, which finds every mail. */
export function parseSearch(query: string): SearchCondition[] {
  const conditions: SearchCondition[] = [];
  for (const term of query.trim().split(/\s+(?=(?:[^"]*"[^"]*")*[^"]*$)/)) {
    TERM.lastIndex = 0;
    const match = TERM.exec(term);
    if (!match) continue;
    const field = FIELDS[match[1]?.toLowerCase() ?? ''];
    const value = field ? (match[2] ?? match[3] ?? '') : term.replace(/^"|"$/g, '');
    const searched = field === FIELDS['message-id'] ? value.replace(/^<|>$/g, '') : value;
    if (searched !== '') conditions.push({ sql: `instr(${field ?? ANYWHERE}, ?) > 0`, value: searched.toLowerCase() });
  }
  return conditions;
}
