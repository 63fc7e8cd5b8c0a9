/**
 * Refusals on demand, so that one can try what becomes of a mail that a mail server refuses. By address: a mail to refuse-550@example.com is answered 550,
 * one to refuse-554-5.7.1@example.com "554 5.7.1"; what stands behind a + is free. For all mails: Mailpit's chaos triggers (`/api/v1/chaos`), which live as
 * long as the process.
 */

/** As in Mailpit's JSON. */
export type ChaosTrigger = {
  /** 400 to 599. */
  ErrorCode: number;
  /** How many of a hundred are refused: 0 none, 100 all. */
  Probability: number;
};
export type ChaosTriggers = { Sender: ChaosTrigger; Recipient: ChaosTrigger; Authentication: ChaosTrigger };

export type Refusal = { code: number; message: string };

export type Chaos = {
  triggers(): ChaosTriggers;
  /**
   * Sets all triggers; those that are not named are off again.
   * @param json as Mailpit's PUT takes it
   * @throws Error with statusCode 400 that names what is wrong
   */
  set(json: string): ChaosTriggers;
  /** @param recipient the address, for the kind Recipient */
  refuses(kind: keyof ChaosTriggers, recipient?: string): Refusal | undefined;
};

const DEFAULTS: ChaosTriggers = {
  Sender: { ErrorCode: 451, Probability: 0 },
  Recipient: { ErrorCode: 451, Probability: 0 },
  Authentication: { ErrorCode: 535, Probability: 0 },
};

/** @param random a number in [0, 1) */
export function createChaos(random: () => number = Math.random): Chaos {
  let triggers = DEFAULTS;
  return {
    triggers: () => triggers,
    set: (json) => {
      triggers = readTriggers(json);
      return triggers;
    },
    refuses: (kind, recipient = '') => {
      const { ErrorCode, Probability } = triggers[kind];
      if (random() * 100 < Probability) return { code: ErrorCode, message: 'refused by a chaos trigger' };
      return kind === 'Recipient' ? refusalOf(recipient) : undefined;
    },
  };
}

/** What an address asks for. */
export function refusalOf(address: string): Refusal | undefined {
  const [, code, enhanced] = /^refuse-([45]\d\d)(?:-([45]\.\d{1,3}\.\d{1,3}))?(?:\+[^@]*)?@/i.exec(address) ?? [];
  if (code === undefined) return undefined;
  return { code: Number(code), message: `${enhanced === undefined ? '' : `${enhanced} `}refused, as the name asks` };
}

function readTriggers(json: string): ChaosTriggers {
  let given: Record<string, Partial<ChaosTrigger> | undefined>;
  try {
    given = JSON.parse(json || '{}');
  } catch {
    throw bad('the body is no JSON');
  }
  if (typeof given !== 'object' || given === null || Array.isArray(given)) throw bad('the body is no JSON object');
  const unknown = Object.keys(given).find((name) => !(name in DEFAULTS));
  if (unknown !== undefined) throw bad(`there is no trigger ${unknown}; there are ${Object.keys(DEFAULTS).join(', ')}`);
  const trigger = (name: keyof ChaosTriggers): ChaosTrigger => {
    const { ErrorCode = DEFAULTS[name].ErrorCode, Probability = 0 } = given[name] ?? {};
    if (!isWithin(ErrorCode, 400, 599)) throw bad(`${name}.ErrorCode must be a whole number from 400 to 599`);
    if (!isWithin(Probability, 0, 100)) throw bad(`${name}.Probability must be a whole number from 0 to 100`);
    return { ErrorCode, Probability };
  };
  return { Sender: trigger('Sender'), Recipient: trigger('Recipient'), Authentication: trigger('Authentication') };
}

function isWithin(value: unknown, from: number, to: number): boolean {
  return Number.isInteger(value) && (value as number) >= from && (value as number) <= to;
}

function bad(message: string): Error {
  return Object.assign(new Error(message), { statusCode: 400 });
}
