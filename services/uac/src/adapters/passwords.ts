import bcrypt from 'bcrypt';
import { hashedForms } from '../domain/password.ts';

export type Passwords = {
  /** @param password prepared */
  hash(password: string): Promise<string>;
  /** Compares what was typed; without a hash (no such user) it takes the same time and says no. */
  matches(typed: string, hash: string | undefined): Promise<boolean>;
};

/** As far as the library is used. */
export type Bcrypt = Pick<typeof bcrypt, 'hash' | 'compare'>;

/**
 * bcrypt, off the event loop.
 * @param cost rounds as a power of two; 10 takes about 70 ms
 */
export async function createPasswords(cost: number, library: Bcrypt = bcrypt): Promise<Passwords> {
  const nobodys = await library.hash('', cost);
  return {
    hash: (password) => library.hash(password, cost),
    async matches(typed, hash) {
      const forms = hashedForms(typed);
      if (forms.length === 0) await library.compare('x', nobodys);
      let same = false;
      for (const form of forms) same = (await library.compare(form, hash ?? nobodys)) || same;
      return same && hash !== undefined;
    },
  };
}
