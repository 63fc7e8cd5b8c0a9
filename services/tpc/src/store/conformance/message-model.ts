/**
 * A message as it should behave, written down a second time and as simply as possible: no SQL, no locks, no claims by others. The model test runs
 * random calls on this and on the store and compares.
 */
export type Copy = { status: 10 | 20 | 30; dead: boolean; generation: number; urgent: boolean; due: boolean };
type Place = 'NONE' | 'WAITING' | 'SENDING' | 'FINISHED' | 'ABORTED' | 'ROLLED_BACK' | 'DEAD';
export type Answer = { state: number } | { refused: string };

const STATE: Record<Place, number> = { NONE: 0, WAITING: 10, SENDING: 20, FINISHED: 30, ABORTED: 40, ROLLED_BACK: 40, DEAD: 50 };

export class MessageModel {
  place: Place = 'NONE';
  content = '';
  generation = 1;
  /** Waits to be published to all groups. */
  pending = false;
  /** DEAD for want of a subscriber. */
  parked = false;
  readonly copies = new Map<string, Copy>();
  readonly subscribers = new Set<string>();

  get state(): number {
    return STATE[this.place];
  }

  save(content: string): Answer {
    if (this.subscribers.size === 0) return { refused: 'NO_SUBSCRIBER' };
    if (this.place === 'ROLLED_BACK') return { refused: 'KEY_ROLLED_BACK' };
    if (this.place !== 'NONE' && content !== this.content) return { refused: 'KEY_CONFLICT' };
    if (this.place === 'NONE' || this.place === 'ABORTED') this.#prepare(content);
    return { state: this.state };
  }

  confirm(): Answer {
    if (this.place === 'NONE') return { refused: 'MESSAGE_NOT_FOUND' };
    if (this.place === 'ROLLED_BACK') return { refused: 'KEY_ROLLED_BACK' };
    if (this.place === 'WAITING' || this.place === 'ABORTED') this.#send();
    return { state: this.state };
  }

  saveAndSend(content: string, committed: boolean): Answer {
    if (!committed && this.subscribers.size === 0) return { refused: 'NO_SUBSCRIBER' };
    if (!committed && this.place === 'ROLLED_BACK') return { refused: 'KEY_ROLLED_BACK' };
    if (this.place !== 'NONE' && content !== this.content) return committed ? { state: 50 } : { refused: 'KEY_CONFLICT' };
    if (this.place === 'NONE') this.#prepare(content);
    if (this.place === 'ROLLED_BACK') this.place = 'DEAD';
    else if (this.place === 'WAITING' || this.place === 'ABORTED') this.#send();
    return { state: this.state };
  }

  delete(): Answer {
    if (this.place === 'NONE') return { refused: 'DELETE_FAILED' };
    if (['SENDING', 'FINISHED', 'DEAD'].includes(this.place)) return { refused: 'ALREADY_SENDING' };
    if (this.place === 'WAITING') this.place = 'ABORTED';
    return { state: 40 };
  }

  rolledBack(): Answer {
    if (this.place === 'NONE') return { refused: 'MESSAGE_NOT_FOUND' };
    if (this.place === 'WAITING' || this.place === 'ABORTED') this.place = 'ROLLED_BACK';
    return { state: this.state };
  }

  /** @returns whether the message was there to be published */
  publish(outcome: 'published' | 'retry' | 'refused'): boolean {
    if (!this.pending) return false;
    this.pending = outcome === 'retry';
    if (outcome === 'refused') this.#refuse();
    return true;
  }

  /** @returns groups whose copies were there to be published again */
  redeliver(outcome: 'published' | 'retry' | 'refused'): string[] {
    if (this.place !== 'SENDING' || this.pending) return [];
    const groups = [...this.copies].filter(([, copy]) => copy.urgent && copy.due && copy.status === 10 && !copy.dead).map(([group]) => group);
    if (outcome === 'published') for (const group of groups) (this.copies.get(group) as Copy).urgent = false;
    if (outcome === 'refused' && groups.length > 0) this.#refuse();
    return groups.sort();
  }

  mark(group: string, kind: 'received' | 'consumed' | 'failed', generation: number): boolean {
    const copy = this.copies.get(group);
    if (copy === undefined) return false;
    if (generation < copy.generation || copy.status === 30) return true;
    if (kind === 'received' && copy.status === 20) return true;
    if (kind === 'failed' && copy.dead) return true;
    copy.status = kind === 'consumed' ? 30 : 20;
    copy.dead = kind === 'failed';
    copy.urgent = false;
    copy.due = false;
    if (kind !== 'received') this.#settle();
    return true;
  }

  resume(): number {
    if (!this.parked || this.subscribers.size === 0) return 0;
    this.#send();
    return 1;
  }

  resend(groups: string[]): { refused: string } | { groups: string[] } {
    if (this.place === 'NONE') return { refused: 'RESEND_NOT_FOUND' };
    if (!['SENDING', 'FINISHED', 'DEAD'].includes(this.place)) return { refused: 'NOT_RESENDABLE' };
    if (groups.some((group) => !this.copies.has(group) && !this.subscribers.has(group))) return { refused: 'GROUP_NOT_SUBSCRIBED' };
    if (this.copies.size === 0 && this.subscribers.size === 0) return { refused: 'NO_SUBSCRIBER' };
    const all = new Set([...this.copies.keys(), ...this.subscribers]);
    const chosen = new Set(groups.length > 0 ? groups : [...all].filter((group) => this.copies.get(group)?.status !== 30));
    if (chosen.size === 0) return { groups: [] };
    const next = this.generation + 1;
    const before = this.generation;
    // A publish to all is taken back, and what the broker had refused goes to every group that has not received it.
    for (const [group, copy] of this.copies) if ((this.pending || !copy.due) && copy.status === 10 && !copy.dead) chosen.add(group);
    for (const group of chosen) {
      const copy = this.copies.get(group);
      const generation = copy === undefined ? before : copy.dead || copy.status === 30 ? next : copy.generation;
      this.generation = Math.max(this.generation, generation);
      this.copies.set(group, { status: 10, dead: false, generation, urgent: true, due: true });
    }
    this.place = 'SENDING';
    this.pending = false;
    this.parked = false;
    return { groups: [...chosen].sort() };
  }

  #prepare(content: string): void {
    this.place = 'WAITING';
    this.content = content;
  }

  #send(): void {
    this.place = this.subscribers.size === 0 ? 'DEAD' : 'SENDING';
    this.parked = this.place === 'DEAD';
    this.pending = this.place === 'SENDING';
    for (const group of this.subscribers) this.copies.set(group, { status: 10, dead: false, generation: this.generation, urgent: false, due: true });
  }

  #refuse(): void {
    this.place = 'DEAD';
    for (const copy of this.copies.values()) copy.due = false;
  }

  #settle(): void {
    const copies = [...this.copies.values()];
    if (copies.some((copy) => !copy.dead && copy.status < 30)) return;
    this.place = copies.some((copy) => copy.dead) ? 'DEAD' : 'FINISHED';
    this.pending = false;
  }
}
