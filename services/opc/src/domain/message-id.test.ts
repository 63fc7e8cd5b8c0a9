import { createHash } from 'node:crypto';
import { expect, it } from 'vitest';
import { mailMessageId } from './message-id.ts';

const parts = { messageKey: 'PID_UAC:1', generation: 1, recipientHash: 'ab'.repeat(16), domain: 'example.com' };

it('is stable, and its own for each key, generation and recipient', () => {
  const id = mailMessageId(parts);
  expect(id).toMatch(/^<[0-9a-f]{40}@example\.com>$/);
  expect(mailMessageId({ ...parts })).toBe(id);
  // Of the key, the generation and the recipient, as it always was: a mail that is sent again after an update has the same one.
  const json = JSON.stringify(['PID_UAC:1', 1, 'ab'.repeat(16)]);
  expect(id).toBe(`<${createHash('sha256').update(json).digest('hex').slice(0, 40)}@example.com>`);
  const others = [{ messageKey: 'PID_UAC:2' }, { generation: 2 }, { recipientHash: 'cd'.repeat(16) }].map((other) =>
    mailMessageId({ ...parts, ...other }),
  );
  expect(new Set([id, ...others]).size).toBe(4);
});
