import { readFileSync } from 'node:fs';
import { status } from '@grpc/grpc-js';
import { describe, expect, it } from 'vitest';
import { CODES, type UacCode } from '../domain/codes.ts';
import { refuse } from './refusal.ts';

describe('README', () => {
  const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8').replaceAll(/ +/g, ' ');
  it.each(Object.entries(CODES))('lists %s with its status and texts', (code, { name, en, zh }) => {
    expect(readme).toContain(`| ${code.slice(3)} | ${name} | ${status[refuse(code as UacCode).status]} | ${en} ${zh} |`);
  });
});
