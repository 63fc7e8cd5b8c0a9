import { randomFillSync } from 'node:crypto';
import { v7 as uuidv7 } from 'uuid';

const RANDOM_BYTES = 16;
/** Keys that random bytes are drawn for at once: a draw costs the same for 16 bytes and for 4,096, and some per cent of a transaction. */
const KEYS_PER_DRAW = 256;

// Stryker disable next-line ArithmeticOperator: a smaller pool costs more, and makes such keys as well.
const pool = Buffer.alloc(KEYS_PER_DRAW * RANDOM_BYTES);
let used = pool.length;

/** @returns a key for a message whose caller gave none: a UUID in the order of time (RFC 9562, version 7), so that rows are inserted at an index's end */
export function newKey(): string {
  // Stryker disable next-line ConditionalExpression: a draw for each key costs more, and makes such keys as well.
  if (used === pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  used += RANDOM_BYTES;
  // Stryker disable next-line ObjectLiteral: uuid's own draw costs more, and makes such keys as well.
  return uuidv7({ random: pool.subarray(used - RANDOM_BYTES, used) });
}
