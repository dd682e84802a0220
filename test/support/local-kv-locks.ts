/**
 * The lock table of `LocalKv`: shared and exclusive locks per key, first come first served, with deadlock detection
 * at every wait (the youngest of the cycle loses). Synchronous; a wait is a promise that the release settles.
 */
import { KvError } from '../../src/kv/kv-errors.ts';
import type { LockStrength } from '../../src/kv/kv-client.ts';

/** Owns locks. A higher `order` is younger. */
export interface LockOwner {
  readonly order: number;
}

interface Waiter {
  readonly owner: LockOwner;
  readonly strength: LockStrength;
  readonly settle: (error: KvError | undefined) => void;
}

interface Entry {
  readonly holders: Map<LockOwner, LockStrength>;
  readonly queue: Waiter[];
}

export interface WaitOptions {
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  readonly after: (delayMs: number, fn: () => void) => { cancel(): void };
  readonly onWait?: (key: string, holders: readonly LockOwner[]) => void;
}

export class LocalLocks {
  readonly #entries = new Map<string, Entry>();
  readonly #held = new Map<LockOwner, Set<string>>();

  /** Takes the lock now if nobody is in the way and nobody waits before. */
  tryLock(key: string, owner: LockOwner, strength: LockStrength): boolean {
    const entry = this.#entries.get(key);
    if (entry === undefined) {
      this.#entries.set(key, { holders: new Map([[owner, strength]]), queue: [] });
      this.#remember(owner, key);
      return true;
    }
    const held = entry.holders.get(owner);
    if (held === 'update' || held === strength) return true;
    if (!isFree(entry, owner, strength)) return false;
    if (held === undefined && entry.queue.length > 0) return false;
    this.#grant(entry, key, owner, strength);
    return true;
  }

  /** Waits in the queue of a key that `tryLock` refused. */
  wait(key: string, owner: LockOwner, strength: LockStrength, options: WaitOptions): Promise<void> {
    const entry = this.#entries.get(key);
    if (entry === undefined) throw new Error('nothing to wait for');
    options.onWait?.(
      key,
      [...entry.holders.keys()].filter((holder) => holder !== owner),
    );
    return new Promise((resolve, reject) => {
      const settle = (error: KvError | undefined): void => {
        timer?.cancel();
        options.signal.removeEventListener('abort', onAbort);
        const index = entry.queue.indexOf(waiter);
        if (index >= 0) entry.queue.splice(index, 1);
        if (error === undefined) resolve();
        else {
          reject(error);
          this.#wake(key);
        }
      };
      const onAbort = (): void => settle(new KvError('cancelled', 'cancelled while waiting'));
      const waiter: Waiter = { owner, strength, settle };
      const timer =
        options.timeoutMs > 0
          ? options.after(options.timeoutMs, () => {
              settle(new KvError('lock_timeout', 'the lock was not granted in time'));
            })
          : undefined;
      options.signal.addEventListener('abort', onAbort);
      // A holder that asks for more goes before those who hold nothing.
      if (entry.holders.has(owner)) entry.queue.unshift(waiter);
      else entry.queue.push(waiter);
      if (options.signal.aborted) onAbort();
      else this.#breakCycle(waiter);
    });
  }

  /** The others who hold the key. */
  holders(key: string, except: LockOwner): LockOwner[] {
    const entry = this.#entries.get(key);
    return entry === undefined ? [] : [...entry.holders.keys()].filter((h) => h !== except);
  }

  get waitingCount(): number {
    let count = 0;
    for (const entry of this.#entries.values()) count += entry.queue.length;
    return count;
  }

  releaseAll(owner: LockOwner): void {
    const keys = this.#held.get(owner);
    this.#held.delete(owner);
    for (const key of keys ?? []) {
      this.#entries.get(key)?.holders.delete(owner);
      this.#wake(key);
    }
    for (const entry of this.#entries.values()) {
      for (const waiter of entry.queue.filter((w) => w.owner === owner)) {
        waiter.settle(new KvError('cancelled', 'the transaction has ended'));
      }
    }
  }

  release(key: string, owner: LockOwner): void {
    this.#held.get(owner)?.delete(key);
    this.#entries.get(key)?.holders.delete(owner);
    this.#wake(key);
  }

  #grant(entry: Entry, key: string, owner: LockOwner, strength: LockStrength): void {
    entry.holders.set(owner, strength);
    this.#remember(owner, key);
  }

  #remember(owner: LockOwner, key: string): void {
    const keys = this.#held.get(owner);
    if (keys === undefined) this.#held.set(owner, new Set([key]));
    else keys.add(key);
  }

  #wake(key: string): void {
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    for (;;) {
      const next = entry.queue[0];
      if (next === undefined || !isFree(entry, next.owner, next.strength)) break;
      this.#grant(entry, key, next.owner, next.strength);
      next.settle(undefined);
    }
    if (entry.holders.size === 0 && entry.queue.length === 0) this.#entries.delete(key);
  }

  /** Who the waiter waits for: holders in its way, and those before it in the queue. */
  #blockers(waiter: Waiter): LockOwner[] {
    for (const entry of this.#entries.values()) {
      const index = entry.queue.indexOf(waiter);
      if (index < 0) continue;
      const ahead = entry.queue.slice(0, index).map((other) => other.owner);
      return [...entry.holders.keys(), ...ahead].filter((owner) => owner !== waiter.owner);
    }
    return [];
  }

  #waitersOf(owner: LockOwner): Waiter[] {
    const found: Waiter[] = [];
    for (const entry of this.#entries.values()) {
      for (const waiter of entry.queue) if (waiter.owner === owner) found.push(waiter);
    }
    return found;
  }

  #breakCycle(start: Waiter): void {
    const cycle = this.#findCycle(start.owner, start.owner, new Set());
    if (cycle === undefined) return;
    const victim = cycle.reduce((a, b) => (a.order > b.order ? a : b));
    this.#waitersOf(victim)[0]?.settle(new KvError('deadlock', 'deadlock detected'));
  }

  #findCycle(
    from: LockOwner,
    to: LockOwner,
    seen: Set<LockOwner>,
  ): readonly LockOwner[] | undefined {
    for (const waiter of this.#waitersOf(from)) {
      for (const blocker of this.#blockers(waiter)) {
        if (blocker === to) return [from];
        if (seen.has(blocker)) continue;
        seen.add(blocker);
        const rest = this.#findCycle(blocker, to, seen);
        if (rest !== undefined) return [from, ...rest];
      }
    }
    return undefined;
  }
}

function isFree(entry: Entry, owner: LockOwner, strength: LockStrength): boolean {
  for (const [holder, held] of entry.holders) {
    if (holder !== owner && (strength === 'update' || held === 'update')) return false;
  }
  return true;
}
