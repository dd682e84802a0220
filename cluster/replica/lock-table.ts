/**
 * Row locks of a range, in the memory of its leader (TXN-6). They order waiters first come, first served, per key;
 * they are never what serializability rests on, and vanish with the leader, or with the session's gateway: a grant
 * therefore names the term, and the session's stay in this table.
 *
 *   key ──> Lock { holders: lockId → strength, queue: [waiting requests in order] }
 *
 * Invariants: holders of a lock are either one `update` or any number of `share`; a request is granted only when no
 * earlier request of another session waits for the same key, except that a holder may strengthen its own lock before
 * the queue. Synchronous; grants run their callback in the turn in which the lock became free. Bounded: a session
 * holds at most `LOCKS_PER_SESSION_MAX` keys here, beyond which the request is refused (the design takes none).
 */
import { ChurnMap } from '../../src/base/churn-map.ts';
import { assert } from '../../src/base/assert.ts';
import type { LockId, NodeId } from '../../src/base/ids.ts';
import { lockIdNode } from '../../src/base/ids.ts';
import type { Key } from '../../src/base/span.ts';
import type { LockStrength } from '../../src/kv/kv-client.ts';

export const LOCKS_PER_SESSION_MAX = 100_000;

interface Waiting {
  readonly lockId: LockId;
  readonly strength: LockStrength;
  readonly grant: () => void;
}

/** What a session holds, from its first lock until it holds none. */
interface Stay {
  readonly number: number;
  readonly keys: Set<Key>;
}

interface Lock {
  readonly holders: Map<LockId, LockStrength>;
  queue: Waiting[];
}

export interface Wait {
  /** Leaves the queue; the callback will not run. */
  cancel(): void;
}

export class LockTable {
  readonly #locks = new ChurnMap<Key, Lock>();
  /** Keys held, by session. A session without locks is absent. */
  readonly #sessions = new ChurnMap<LockId, Stay>();
  /** Where a session waits: a request waits for one key after the other. */
  readonly #waitingAt = new ChurnMap<LockId, Lock>();
  #lastStay = 0;

  get lockCount(): number {
    return this.#locks.size;
  }

  /** The number of the stay that began last. */
  get lastStay(): number {
    return this.#lastStay;
  }

  /** Sessions that have held locks since a stay of this number began, or longer: by gateway. */
  sessionsUpTo(stay: number): Map<NodeId, LockId[]> {
    const found = new Map<NodeId, LockId[]>();
    for (const [lockId, { number }] of this.#sessions) {
      if (number > stay) continue;
      const gateway = lockIdNode(lockId);
      const sessions = found.get(gateway);
      if (sessions === undefined) found.set(gateway, [lockId]);
      else sessions.push(lockId);
    }
    return found;
  }

  heldCount(lockId: LockId): number {
    return this.#sessions.get(lockId)?.keys.size ?? 0;
  }

  /** The number of the session's present stay; 0 when it holds nothing. Once it has lost its locks it differs. */
  stayOf(lockId: LockId): number {
    return this.#sessions.get(lockId)?.number ?? 0;
  }

  /** Has someone else the lock, or a place in its queue before this session? */
  isHeldOrAwaited(key: Key, lockId: LockId): boolean {
    const lock = this.#locks.get(key);
    if (lock === undefined) return false;
    if (!lock.holders.has(lockId)) return true;
    return lock.holders.size > 1;
  }

  /** Takes the lock if it is free for this session now. */
  tryAcquire(key: Key, lockId: LockId, strength: LockStrength): boolean {
    const lock = this.#locks.get(key);
    if (lock === undefined) {
      this.#locks.set(key, { holders: new Map([[lockId, strength]]), queue: [] });
      this.#noteHeld(key, lockId);
      return true;
    }
    const held = lock.holders.get(lockId);
    if (held === 'update' || held === strength) return true;
    if (held === undefined && lock.queue.length > 0) return false;
    if (!compatible(lock, lockId, strength)) return false;
    lock.holders.set(lockId, strength);
    this.#noteHeld(key, lockId);
    return true;
  }

  /** Queues for a lock that `tryAcquire` did not give; `onGrant` runs when it is this request's turn. */
  wait(key: Key, lockId: LockId, strength: LockStrength, onGrant: () => void): Wait {
    const lock = this.#locks.get(key);
    assert(lock !== undefined, 'waiting for a free lock');
    const waiting: Waiting = { lockId, strength, grant: onGrant };
    // A holder that strengthens its lock goes before those who wait for it to let go.
    if (lock.holders.has(lockId)) lock.queue.unshift(waiting);
    else lock.queue.push(waiting);
    this.#waitingAt.set(lockId, lock);
    return {
      cancel: () => {
        const index = lock.queue.indexOf(waiting);
        if (index < 0) return;
        lock.queue.splice(index, 1);
        this.#leave(lock, lockId);
        this.#grantNext(key, lock);
      },
    };
  }

  /** Ends all locks of a session, and its place in every queue is the caller's to cancel. */
  release(lockId: LockId): void {
    const stay = this.#sessions.get(lockId);
    if (stay === undefined) return;
    this.#sessions.delete(lockId);
    for (const key of stay.keys) {
      const lock = this.#locks.get(key);
      if (lock === undefined) continue;
      lock.holders.delete(lockId);
      this.#grantNext(key, lock);
    }
  }

  /** Ends the locks of all sessions of a gateway: it is gone, or not heard any more. True: there were some. */
  releaseNode(node: NodeId): boolean {
    const gone = [...this.#sessions.keys()].filter((lockId) => lockIdNode(lockId) === node);
    for (const lockId of gone) this.release(lockId);
    return gone.length > 0;
  }

  /** Gives back single keys: a NOWAIT request that could not have all it asked for. */
  releaseKeys(lockId: LockId, keys: readonly Key[]): void {
    const stay = this.#sessions.get(lockId);
    if (stay === undefined) return;
    for (const key of keys) {
      const lock = this.#locks.get(key);
      if (lock === undefined || !stay.keys.delete(key)) continue;
      lock.holders.delete(lockId);
      this.#grantNext(key, lock);
    }
    if (stay.keys.size === 0) this.#sessions.delete(lockId);
  }

  holdsKey(key: Key, lockId: LockId): boolean {
    return this.#locks.get(key)?.holders.has(lockId) ?? false;
  }

  /** Is the key locked for update by another session? */
  isHeldByOther(key: Key, lockId: LockId): boolean {
    const lock = this.#locks.get(key);
    if (lock === undefined) return false;
    for (const [holder, strength] of lock.holders) {
      if (holder !== lockId && strength === 'update') return true;
    }
    return false;
  }

  /**
   * Whom a session waits for here: the holders. Those queued before it wait for the same holders, so that a cycle
   * through one of them is a cycle without it; following them too would multiply probes with every place in a queue.
   */
  blockersOf(lockId: LockId): LockId[] {
    const lock = this.#waitingAt.get(lockId);
    return lock === undefined ? [] : [...lock.holders.keys()].filter((holder) => holder !== lockId);
  }

  /**
   * After a split: locks at or right of `at` are no longer this range's. Sessions that held one lose the whole grant
   * (COMMIT then answers 40001); whoever waited for one is woken to find the range moved.
   */
  dropFrom(at: Key): void {
    const losers = new Set<LockId>();
    const woken: Waiting[] = [];
    for (const [key, lock] of this.#locks) {
      if (key < at) continue;
      for (const holder of lock.holders.keys()) losers.add(holder);
      woken.push(...lock.queue);
      this.#locks.delete(key);
    }
    for (const { lockId } of woken) this.#waitingAt.delete(lockId);
    for (const loser of losers) this.release(loser);
    for (const waiting of woken) waiting.grant();
  }

  /** Leadership ended: everything goes; whoever waits is woken to find that. */
  clear(): void {
    const woken: Waiting[] = [];
    for (const lock of this.#locks.values()) woken.push(...lock.queue);
    this.#locks.clear();
    this.#sessions.clear();
    this.#waitingAt.clear();
    for (const waiting of woken) waiting.grant();
  }

  #grantNext(key: Key, lock: Lock): void {
    for (;;) {
      const first = lock.queue[0];
      if (first === undefined) break;
      if (!compatible(lock, first.lockId, first.strength)) return;
      lock.queue.shift();
      this.#leave(lock, first.lockId);
      lock.holders.set(first.lockId, first.strength);
      this.#noteHeld(key, first.lockId);
      first.grant();
    }
    if (lock.holders.size === 0 && this.#locks.get(key) === lock) this.#locks.delete(key);
  }

  #leave(lock: Lock, lockId: LockId): void {
    if (this.#waitingAt.get(lockId) === lock) this.#waitingAt.delete(lockId);
  }

  #noteHeld(key: Key, lockId: LockId): void {
    const stay = this.#sessions.get(lockId);
    if (stay !== undefined) stay.keys.add(key);
    else this.#sessions.set(lockId, { number: ++this.#lastStay, keys: new Set([key]) });
  }
}

function compatible(lock: Lock, lockId: LockId, strength: LockStrength): boolean {
  for (const [holder, held] of lock.holders) {
    if (holder === lockId) continue;
    if (strength === 'update' || held === 'update') return false;
  }
  return true;
}
