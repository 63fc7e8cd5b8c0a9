import bcrypt from 'bcrypt';
import { fitsBcrypt } from '../domain/password.ts';

export type Passwords = {
  hash(password: string): Promise<string>;
  /** Compares; without a hash (no such user) it takes the same time and says no. */
  matches(password: string, hash: string | undefined): Promise<boolean>;
};

/**
 * bcrypt, off the event loop.
 * @param cost rounds as a power of two; 10 takes about 70 ms
 */
export async function createPasswords(cost: number): Promise<Passwords> {
  const nobodys = await bcrypt.hash('', cost);
  return {
    hash: (password) => bcrypt.hash(password, cost),
    async matches(password, hash) {
      const possible = hash !== undefined && fitsBcrypt(password);
      const same = await bcrypt.compare(possible ? password : 'x', possible ? hash : nobodys);
      return possible && same;
    },
  };
}
