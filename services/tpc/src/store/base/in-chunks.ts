import { MAX_BATCH } from '@tpc/core';

/** Does a batch in parts of at most MAX_BATCH items, one after the other; results stay in order. */
export async function inChunks<I, R>(items: readonly I[], work: (part: readonly I[]) => Promise<readonly R[]>): Promise<R[]> {
  const results: R[] = [];
  for (const part of chunksOf(items)) results.push(...(await work(part)));
  return results;
}

type Outcome<R, P> = { results: R[]; publish: P[]; contentError?: unknown };

/** The same for work whose outcome also hands out what is to be published. */
export async function outcomeInChunks<I, R, P>(items: readonly I[], work: (part: readonly I[]) => Promise<Outcome<R, P>>): Promise<Outcome<R, P>> {
  const merged: Outcome<R, P> = { results: [], publish: [] };
  for (const part of chunksOf(items)) {
    const outcome = await work(part);
    merged.results.push(...outcome.results);
    merged.publish.push(...outcome.publish);
    if (outcome.contentError !== undefined) merged.contentError ??= outcome.contentError;
  }
  return merged;
}

function chunksOf<I>(items: readonly I[]): (readonly I[])[] {
  const chunks: (readonly I[])[] = [];
  for (let start = 0; start < items.length; start += MAX_BATCH) chunks.push(items.slice(start, start + MAX_BATCH));
  return chunks;
}
