import { readdirSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect, it } from 'vitest';

const DOCS = resolve(import.meta.dirname, '../../docs');
const pages = readdirSync(DOCS).filter((name) => name.endsWith('.md'));

/** grpcurl takes flags before the address only: behind it they are too many arguments. */
it.each(pages)('every grpcurl in %s has its flags before the address', (page) => {
  const commands = readFileSync(resolve(DOCS, page), 'utf8').replaceAll(/\\\n\s*/g, '');
  expect([...commands.matchAll(/^.*grpcurl .*:\d+ [\w.]+\/\w+ +-.*$/gm)].map(([line]) => line)).toEqual([]);
});
