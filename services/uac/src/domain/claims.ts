/**
 * Who holds what a registration asks for. Only a user who has been active holds an address: whoever registers may type anybody's address, so a
 * registration that waits for its activation gives way to the next one of the same address. A login name is held by a waiting registration as long as
 * its link works; a mobile number only by a user who has been active. One that loses its login name to another address stays as a claim on its own
 * address, so that the next registration there is still contested.
 */

import type { Violation } from './codes.ts';
import type { IdentityKind } from './identity.ts';

/** What a user's keys and a registration's have in common. */
export type Held = Record<IdentityKind, boolean>;

/** A user, or a waiting registration, with a key of the new registration. */
export type Holder = {
  id: string;
  /** Waits for its first activation. */
  waiting: boolean;
  /** Whether one of its links still works; of no meaning for one who has been active. */
  linkWorks: boolean;
  contested: boolean;
  passwordHash: string;
  /** Normalised; undefined: none. */
  mobileKey: string | undefined;
  holds: Held;
};

/** What becomes of the new registration: refused for what is taken, or stored in place of others; `nameless` are of other addresses, and lose their login names and links. */
export type Claims = { taken: [Violation, ...Violation[]] } | { replaced: string[]; nameless: string[]; contested: boolean };

/** What the new registration has in common with a waiting one of the same address, beside the address. */
export type SameAddress = { password: boolean; mobile: boolean };

/** The registration of the same address that waits, if any: its password is compared before `judgeClaims`. */
export function waitingAtAddress(holders: readonly Holder[]): Holder | undefined {
  return holders.find(({ waiting, holds }) => waiting && holds.email);
}

/**
 * Decides over a registration. One of the same address with the same login name, number and password is the same one, sent again after an answer was
 * lost: its login name is taken, and no second mail goes out. One with another password is contested, since one of the two is not the owner's.
 */
export function judgeClaims(holders: readonly Holder[], same: SameAddress): Claims {
  const waiting = waitingAtAddress(holders);
  const repeated = same.password && same.mobile;
  const keeps = (holder: Holder) => !holder.waiting || (holder === waiting ? repeated : holder.linkWorks);
  const [first, ...more] = takenOf(holders.filter(keeps));
  if (first) return { taken: [first, ...more] };
  return {
    replaced: waiting === undefined ? [] : [waiting.id],
    nameless: holders.filter((holder) => holder !== waiting && holder.holds.loginName).map(({ id }) => id),
    contested: waiting !== undefined && (waiting.contested || !same.password),
  };
}

/** In the original's order: login name, mobile, e-mail. Only who has been active holds a number or an address. */
function takenOf(holders: readonly Holder[]): Violation[] {
  const taken: Violation[] = [];
  if (holders.some(({ holds }) => holds.loginName)) taken.push({ field: 'loginName', code: 'UAC10011012' });
  if (holders.some(({ holds, waiting }) => holds.mobileNo && !waiting)) taken.push({ field: 'mobileNo', code: 'UAC10011013' });
  if (holders.some(({ holds, waiting }) => holds.email && !waiting)) taken.push({ field: 'email', code: 'UAC10011019' });
  return taken;
}
