/**
 * What a consumer shows to acknowledge a delivery: which message, which attempt, and a number drawn at that attempt. A handle of an
 * earlier attempt no longer fits its row, so a late acknowledgement cannot settle somebody else's delivery.
 */
export type ReceiptHandle = { messageSeq: number; attempt: number; nonce: number };

export function formatReceiptHandle({ messageSeq, attempt, nonce }: ReceiptHandle): string {
  return `${messageSeq}.${attempt}.${nonce}`;
}

/** @returns undefined when the text is no handle of this broker */
export function parseReceiptHandle(text: string): ReceiptHandle | undefined {
  const parts = /^(\d{1,15})\.(\d{1,9})\.(\d{1,15})$/.exec(text);
  if (!parts) return undefined;
  return { messageSeq: Number(parts[1]), attempt: Number(parts[2]), nonce: Number(parts[3]) };
}
