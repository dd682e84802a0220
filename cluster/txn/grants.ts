/**
 * What the ranges have given of the locks that a transaction asked for (TXN-6): the grants that COMMIT names back, and
 * the ranges that are to be told when it ends. Allocates nothing for a transaction that locks nothing.
 */
import type { LockId } from '../../src/base/ids.ts';
import { KvError } from '../../src/kv/kv-errors.ts';
import type { RangeRouter, SendOptions } from '../range/range-router.ts';
import type { LockGrant } from '../range/requests.ts';

/** What nothing has been put in yet; never changed. */
const NO_GRANTS: LockGrant[] = [];
const NO_RANGES: number[] = [];

export class Grants {
  #grants = NO_GRANTS;
  /** Ranges that were asked for locks: they may have given some, whatever has become of the answer. */
  #asked = NO_RANGES;
  /** A request for locks ended without an answer. */
  #hasUnanswered = false;

  get list(): readonly LockGrant[] {
    return this.#grants;
  }

  /** A request is about to leave; true for the first. */
  noteAsked(rangeId: number): boolean {
    if (this.#asked === NO_RANGES) {
      this.#asked = [rangeId];
      return true;
    }
    if (!this.#asked.includes(rangeId)) this.#asked.push(rangeId);
    return false;
  }

  noteUnanswered(): void {
    this.#hasUnanswered = true;
  }

  /** Throws `conflict` when what the range gave before is lost. */
  keep(grant: LockGrant): void {
    const at = this.#grants.findIndex((each) => each.rangeId === grant.rangeId);
    const known = this.#grants[at];
    if (known !== undefined && (known.term !== grant.term || known.stay !== grant.stay)) {
      throw lostLocks();
    }
    if (grant.stay === 0) return;
    if (known !== undefined) this.#grants[at] = grant;
    else if (this.#grants === NO_GRANTS) this.#grants = [grant];
    else this.#grants.push(grant);
  }

  /** Do they all still hold? Throws `conflict`, `unavailable`, `cancelled`. */
  async check(router: RangeRouter, lockId: LockId, options: SendOptions): Promise<void> {
    for (const grant of this.#grants) {
      const descriptor = router.byId(grant.rangeId);
      if (descriptor === undefined) throw new KvError('conflict', 'a locked range has moved');
      const request = { kind: 'checkGrant', lockId, grant } as const;
      const reply = await router.send(descriptor, request, options);
      if (reply.kind !== 'done') throw lostLocks();
    }
  }

  /** A range has ended the transaction's locks by itself. */
  noteReleased(rangeId: number): void {
    // NB: a request that was never answered may yet be granted: then the range is told all the same.
    if (this.#hasUnanswered) return;
    const at = this.#asked.indexOf(rangeId);
    if (at >= 0) this.#asked.splice(at, 1);
  }

  /** Tells the ranges that the locks end; true when any was ever asked for. */
  release(router: RangeRouter, lockId: LockId): boolean {
    if (this.#asked === NO_RANGES) return false;
    for (const rangeId of this.#asked) router.castRelease(rangeId, lockId);
    this.#asked = NO_RANGES;
    this.#grants = NO_GRANTS;
    return true;
  }
}

function lostLocks(): KvError {
  return new KvError('conflict', 'row locks were lost with the leader of their range');
}
