/**
 * What an answer of a mail server means for a mail: one table, read from the top; the first row that fits decides. A reply code has three digits and
 * says little (RFC 5321 §4.2); the enhanced code behind it (RFC 3463) says what the refusal is about, so it stands first. The server's words
 * decide only where both say nothing, since every server has its own.
 *
 * The order follows the cost of a mistake. A mail that is wrongly held is late; a mail that is wrongly given up is lost.
 */

/**
 * recipient, mail: refused for good, and trying again cannot help. deferred: the server wants this mail later. ours: the server refuses us (our
 * log-in, our sender, our address, a limit of ours), and would refuse every mail. unavailable: the server cannot be had.
 */
export type SmtpVerdict = 'recipient' | 'mail' | 'deferred' | 'ours' | 'unavailable';

/** How far the dialogue had come. connection: greeting, EHLO, STARTTLS and log-in. */
export type SmtpStage = 'connection' | 'sender' | 'recipient' | 'data';

export type VerdictRow = {
  /** Who says so: the RFC, or the server whose habit it is. */
  rule: string;
  verdict: SmtpVerdict;
  /** Undefined: any stage. */
  stages?: readonly SmtpStage[];
  /** On the three digits; undefined: any. */
  code?: RegExp;
  /** On the enhanced code, for example "5.7.1"; a row that has one fits no answer without it. */
  enhanced?: RegExp;
  /** On the words, and only where no enhanced code says what the refusal is about, or the row itself names one. */
  words?: RegExp;
};

/** After the envelope: both answer for one recipient, since each mail has one. */
const MAIL_STAGES = ['recipient', 'data'] as const;

const BY_CODE: readonly VerdictRow[] = [
  { rule: 'RFC 5321 §3.8: the server closes the connection', verdict: 'unavailable', code: /^421$/ },
  { rule: 'RFC 5321 §3.1, RFC 3207 §4: not now', verdict: 'unavailable', stages: ['connection'], code: /^4/ },
  { rule: 'RFC 5321 §3.1, RFC 4954 §6, RFC 7504 §3: the server does not take us as a client', verdict: 'ours', stages: ['connection'] },
  { rule: 'RFC 4954 §6, RFC 3207 §4: log-in or encryption is missing', verdict: 'ours', code: /^(432|454|530|534|535|538)$/ },
  { rule: 'RFC 7504 §3: the host takes no mail at all', verdict: 'ours', code: /^521$/ },
  { rule: 'RFC 1870 §6.1: larger than the server takes', verdict: 'mail', stages: ['sender'], enhanced: /^5\.(2\.3|3\.4)$/ },
  { rule: 'RFC 5321 §3.3: the sender is refused before any recipient is named', verdict: 'ours', stages: ['sender'] },
];

const BY_ENHANCED_CODE: readonly VerdictRow[] = [
  { rule: 'RFC 3463 §3.2, X.1.7 and X.1.8: the address of the sender', verdict: 'ours', enhanced: /^[45]\.1\.[78]$/ },
  { rule: 'RFC 3463 §3.2, RFC 7505 §4: the address of the recipient', verdict: 'recipient', enhanced: /^5\.1\.([1-6]|9|10)$/ },
  { rule: 'RFC 3463 §3.3, X.2.2: the mailbox is full', verdict: 'deferred', enhanced: /^5\.2\.2$/ },
  { rule: 'RFC 3463 §3.3 and §3.4: too large, or needs what the server cannot do', verdict: 'mail', enhanced: /^5\.(2\.3|3\.3|3\.4)$/ },
  { rule: 'RFC 3463 §3.3: the mailbox takes no mail', verdict: 'recipient', enhanced: /^5\.2\.[14]$/ },
  { rule: 'RFC 3463 §3.4, X.3.1 and X.3.2: full, or takes nothing now', verdict: 'deferred', enhanced: /^5\.3\.[12]$/ },
  { rule: 'RFC 3463 §3.4, X.3.5: the server is set up wrongly', verdict: 'ours', enhanced: /^[45]\.3\.5$/ },
  { rule: 'RFC 3463 §3.5, X.4.5: congestion; in use for the daily limit of a sender', verdict: 'ours', enhanced: /^[45]\.4\.5$/ },
  { rule: 'Zoho, X.4.6: how much we send', verdict: 'ours', enhanced: /^[45]\.4\.6$/, words: /\bsending activity\b/i },
  { rule: 'RFC 3463 §3.5: these pass', verdict: 'deferred', enhanced: /^5\.4\.[237]$/ },
  { rule: 'RFC 3463 §3.5: no way to the recipient; X.4.1 is how Exchange says "unknown"', verdict: 'recipient', enhanced: /^5\.4\.[146]$/ },
  { rule: 'RFC 3463 §3.6, X.5.3: too many recipients; each mail has one, so it is a limit of ours', verdict: 'ours', enhanced: /^5\.5\.3$/ },
  { rule: 'RFC 6531 §3.5, X.6.7: letters beyond ASCII are not taken there', verdict: 'recipient', enhanced: /^5\.6\.7$/ },
  { rule: 'RFC 3463 §3.7: the content', verdict: 'mail', enhanced: /^5\.6\.[1-9]\d?$/ },
  { rule: 'RFC 3463 §3.8, RFC 7293 §14: the list or the owner of the mailbox', verdict: 'recipient', enhanced: /^5\.7\.(2|17|18|19)$/ },
  { rule: 'RFC 3463 §3.8, RFC 6710 §8: integrity, priority', verdict: 'mail', enhanced: /^5\.7\.([5-7]|15|16)$/ },
  {
    rule: 'RFC 4954 §6, RFC 5248 §3, RFC 7372 §3: log-in, encryption, SPF, DKIM, reverse DNS, flood',
    verdict: 'ours',
    enhanced: /^[45]\.7\.([348]|9|1[0-4]|2\d)$/,
  },
  { rule: 'Exchange, X.7.1xx: who may write to this recipient', verdict: 'recipient', enhanced: /^5\.7\.1\d\d$/ },
  { rule: 'Exchange, X.7.5x to X.7.7xx: who may send, and how much', verdict: 'ours', enhanced: /^[45]\.7\.([5-9]\d|[5-7]\d\d)$/ },
];

const BY_WORDS: readonly VerdictRow[] = [
  {
    rule: 'words: too large',
    verdict: 'mail',
    stages: MAIL_STAGES,
    code: /^5/,
    words: /\b(message|mail|e-?mail|size)\b.{0,30}\b(size|too (big|large)|exceeds)\b/i,
  },
  { rule: 'words: relaying', verdict: 'ours', stages: MAIL_STAGES, words: /\brelay(ing)?\b/i },
  { rule: 'words: our sender', verdict: 'ours', stages: MAIL_STAGES, code: /^5/, words: /\b(sender|mail from|from address|send as)\b/i },
  {
    rule: 'words: mailbox full',
    verdict: 'deferred',
    stages: MAIL_STAGES,
    code: /^5/,
    words: /\b(mailbox|inbox|user|recipient|account|quota|storage)\b.{0,30}\b(full|exceeded|insufficient)\b|over ?quota/i,
  },
  {
    rule: 'words: our limit',
    verdict: 'ours',
    stages: MAIL_STAGES,
    code: /^5/,
    words:
      /\b(sending|send|rate|hourly|daily|outgoing|outbound|messages|mails|e-?mails)\b.{0,60}\b(limit|quota|exceeded)\b|\blimits?\b.{0,80}\bexceeded\b|\bexceeded\b.{0,60}\b(limits?|max(imum)?)\b|\brate.limited\b|\btoo many (messages|mails|e-?mails|connections)\b|\bthrottl|\bratelimit|\btry (again|it)? ?later\b/i,
  },
  {
    rule: 'words: our address or proof',
    verdict: 'ours',
    stages: MAIL_STAGES,
    code: /^5/,
    words:
      /\b(block|black|deny) ?list|\b(dns|r)bl\b|\bspamhaus\b|\breputation\b|\b(client|your) (host|ip|server|network)\b|\breverse (dns|lookup)\b|\bptr\b|\b(spf|dkim|dmarc)\b|\bauthenticat|\blog ?in\b/i,
  },
  {
    rule: 'words: the recipient',
    verdict: 'recipient',
    stages: ['recipient'],
    code: /^5/,
    words:
      /\b(recipient|user|mailbox|account|address)\b.{0,60}(\b(unknown|unavailable|not found|not exist|disabled|inactive|rejected|invalid|no longer)|n.t exist)\b|\b(no such|unknown|invalid) (recipient|user|mailbox|account|address)\b/i,
  },
];

const BY_STAGE: readonly VerdictRow[] = [
  { rule: 'RFC 5321 §4.2.1: 4yz is for now', verdict: 'deferred', stages: MAIL_STAGES, code: /^4/ },
  { rule: 'RFC 5321 §4.2.2: a command or its order is not understood', verdict: 'ours', stages: MAIL_STAGES, code: /^(500|502|503|504|555)$/ },
  { rule: 'RFC 5321 §4.5.3.1.10: 552 to a recipient counts as 452', verdict: 'deferred', stages: ['recipient'], code: /^552$/ },
  {
    rule: 'RFC 3463 §3.8, X.7.0 and X.7.1: we may not send to this recipient',
    verdict: 'ours',
    stages: ['recipient'],
    code: /^5/,
    enhanced: /^5\.7\.[01]$/,
  },
  { rule: 'RFC 5321 §4.2.1: 5yz to a recipient is for good', verdict: 'recipient', stages: ['recipient'], code: /^5/ },
  { rule: 'RFC 5321 §4.2.1: 5yz to the mail is for good', verdict: 'mail', stages: ['data'], code: /^5/ },
];

export const VERDICTS: readonly VerdictRow[] = [...BY_CODE, ...BY_ENHANCED_CODE, ...BY_WORDS, ...BY_STAGE];
