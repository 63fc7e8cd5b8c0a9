import bcrypt from 'bcrypt';
import { describe, expect, it } from 'vitest';
import { preparePassword } from '../domain/password.ts';
import { createPasswords } from './passwords.ts';

const COST = 5;

/** bcrypt, and the hashes that it was asked to compare. */
function watched() {
  const compared: string[] = [];
  const compare = (password: string, hash: string) => {
    compared.push(hash);
    return bcrypt.compare(password, hash);
  };
  return { compared, library: { hash: bcrypt.hash, compare } };
}

describe('passwords', () => {
  it('are hashed at the cost that is set', async () => {
    const passwords = await createPasswords(COST);
    expect(await passwords.hash('correct horse')).toMatch(/^\$2[aby]\$05\$/);
    expect(await (await createPasswords(COST + 1)).hash('correct horse')).toMatch(/^\$2[aby]\$06\$/);
  });

  it.each(['guess', 'crème brûlée', 'x'.repeat(100)])('cost a nobody as much as a user with a wrong one: %s', async (typed) => {
    const { compared, library } = watched();
    const passwords = await createPasswords(COST, library);
    const hash = await passwords.hash('correct horse');
    expect(await passwords.matches(typed, hash)).toBe(false);
    const users = compared.splice(0).length;
    expect(await passwords.matches(typed, undefined)).toBe(false);
    expect(compared).toHaveLength(users);
    expect(users).toBeGreaterThan(0);
    for (const nobodys of compared) expect(nobodys).toMatch(/^\$2[aby]\$05\$/);
  });

  it.each(['', 'x'])('let nobody in who does not exist: %j', async (typed) => {
    expect(await (await createPasswords(COST)).matches(typed, undefined)).toBe(false);
  });

  const [composed, decomposed] = ['crème brûlée'.normalize('NFC'), 'crème brûlée'.normalize('NFD')];
  it.each([
    ['prepared, typed as one character', preparePassword(decomposed), composed],
    ['prepared, typed as two', preparePassword(composed), decomposed],
    ['from before, of one character, typed as two', composed, decomposed],
    ['from before, of two characters, typed as one', decomposed, composed],
    ['from before, of two characters, typed as two', decomposed, decomposed],
    ['from before, with a wide space', 'correct\u3000horse', 'correct\u3000horse'],
    ['prepared, with a wide space', preparePassword('correct\u3000horse'), 'correct horse'],
    ['from before, with a control character', 'correct\thorse', 'correct\thorse'],
  ])('match a hash %s', async (_what, hashed, typed) => {
    const passwords = await createPasswords(COST);
    expect(await passwords.matches(typed, await passwords.hash(hashed))).toBe(true);
    expect(await passwords.matches(`${typed}.`, await passwords.hash(hashed))).toBe(false);
  });
});
