import { expect, it } from 'vitest';
import { mailMessageId } from './message-id.ts';

const parts = { messageKey: 'PID_UAC:1', generation: 1, recipientHash: 'ab'.repeat(16), domain: 'example.com' };

it('is stable, and its own for each key, generation and recipient', () => {
  const id = mailMessageId(parts);
  expect(id).toMatch(/^<[0-9a-f]{40}@example\.com>$/);
  expect(mailMessageId({ ...parts })).toBe(id);
  const others = [{ messageKey: 'PID_UAC:2' }, { generation: 2 }, { recipientHash: 'cd'.repeat(16) }].map((other) =>
    mailMessageId({ ...parts, ...other }),
  );
  expect(new Set([id, ...others]).size).toBe(4);
});
