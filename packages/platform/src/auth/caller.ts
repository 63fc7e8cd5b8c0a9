/** What an operator may do: a viewer lists and gets, an operator also acts. */
export const ROLES = ['viewer', 'operator'] as const;
export type Role = (typeof ROLES)[number];

/** Who calls, as its token or certificate proves. */
export type Caller =
  /** No tokens are configured: everybody may do everything. Only on loopback. */
  | { kind: 'anyone' }
  | { kind: 'producer'; group: string }
  | { kind: 'consumer'; group: string }
  | { kind: 'operator'; name: string; role: Role }
  /** Another program of the house, for example a front end that registers users. */
  | { kind: 'service'; name: string };

/** A caller in a few words, for logs and messages: `producer PID_UAC`. */
export function describeCaller(caller: Caller): string {
  if (caller.kind === 'anyone') return 'anyone';
  if (caller.kind === 'operator') return `${caller.role} ${caller.name}`;
  return `${caller.kind} ${caller.kind === 'service' ? caller.name : caller.group}`;
}
