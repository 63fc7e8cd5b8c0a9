import { createHash } from 'node:crypto';

/**
 * The Message-ID of a mail: the same whenever the same mail is sent again, so that mail servers and readers can tell a repeat; another one for
 * each recipient and each generation (an operator's replay is a new mail).
 * @param domain of the sender's address
 * @returns with its angle brackets
 */
export function mailMessageId(parts: { messageKey: string; generation: number; recipientHash: string; domain: string }): string {
  const hash = createHash('sha256')
    .update(JSON.stringify([parts.messageKey, parts.generation, parts.recipientHash]))
    .digest('hex');
  return `<${hash.slice(0, 40)}@${parts.domain}>`;
}
