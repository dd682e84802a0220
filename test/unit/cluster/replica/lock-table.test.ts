/** Row locks: order of waiters, strengths, release, splits. (TXN-6) */
import { describe, expect, it } from 'vitest';
import { LockTable } from '../../../../cluster/replica/lock-table.ts';
import type { LockId } from '../../../../src/base/ids.ts';
import { makeTxnId, nodeId } from '../../../../src/base/ids.ts';
import { key } from '../../../../src/base/span.ts';
import type { Timestamp } from '../../../../src/base/timestamp.ts';

const a = 'a' as LockId;
const b = 'b' as LockId;
const c = 'c' as LockId;
const k = key('k');

describe('lock table', () => {
  it('gives a free lock, again to its holder, not to another', () => {
    const locks = new LockTable();
    expect(locks.tryAcquire(k, a, 'update')).toBe(true);
    expect(locks.tryAcquire(k, a, 'update')).toBe(true);
    expect(locks.tryAcquire(k, b, 'update')).toBe(false);
    expect(locks.tryAcquire(k, b, 'share')).toBe(false);
  });

  it('serves waiters first come, first served', () => {
    const locks = new LockTable();
    const granted: string[] = [];
    locks.tryAcquire(k, a, 'update');
    locks.wait(k, b, 'update', () => granted.push('b'));
    locks.wait(k, c, 'update', () => granted.push('c'));
    locks.release(a);
    expect(granted).toEqual(['b']);
    locks.release(b);
    expect(granted).toEqual(['b', 'c']);
    locks.release(c);
    expect(locks.lockCount).toBe(0);
  });

  it('lets readers share, but not past a writer that waits', () => {
    const locks = new LockTable();
    const granted: string[] = [];
    expect(locks.tryAcquire(k, a, 'share')).toBe(true);
    expect(locks.tryAcquire(k, b, 'share')).toBe(true);
    locks.wait(k, c, 'update', () => granted.push('c'));
    expect(locks.tryAcquire(k, 'd' as LockId, 'share')).toBe(false);
    locks.release(a);
    expect(granted).toEqual([]);
    locks.release(b);
    expect(granted).toEqual(['c']);
  });

  it('strengthens a holder before those who wait for it', () => {
    const locks = new LockTable();
    const granted: string[] = [];
    locks.tryAcquire(k, a, 'share');
    locks.tryAcquire(k, b, 'share');
    locks.wait(k, c, 'update', () => granted.push('c'));
    expect(locks.tryAcquire(k, a, 'update')).toBe(false);
    locks.wait(k, a, 'update', () => granted.push('a'));
    locks.release(b);
    expect(granted).toEqual(['a']);
  });

  it('passes a cancelled place on', () => {
    const locks = new LockTable();
    const granted: string[] = [];
    locks.tryAcquire(k, a, 'share');
    const wait = locks.wait(k, b, 'update', () => granted.push('b'));
    locks.wait(k, c, 'share', () => granted.push('c'));
    wait.cancel();
    expect(granted).toEqual(['c']);
  });

  it('names whom a session waits for: holders and those before it', () => {
    const locks = new LockTable();
    locks.tryAcquire(k, a, 'update');
    locks.wait(k, b, 'update', () => undefined);
    locks.wait(k, c, 'update', () => undefined);
    // Not b, which waits for the same holder.
    expect(locks.blockersOf(c)).toEqual([a]);
    expect(locks.blockersOf(b)).toEqual([a]);
    expect(locks.blockersOf(a)).toEqual([]);
  });

  it('ends the locks of a lost gateway, and a later stay of its session is another one', () => {
    const locks = new LockTable();
    const at = (node: number, counter: number): LockId =>
      makeTxnId(1 as Timestamp, nodeId(node), counter) as string as LockId;
    const [one, two] = [at(1, 7), at(2, 7)];
    const granted: string[] = [];
    locks.tryAcquire(k, one, 'update');
    locks.tryAcquire(key('other'), two, 'update');
    locks.wait(k, two, 'update', () => granted.push('two'));
    const stay = locks.stayOf(one);
    expect(locks.releaseNode(nodeId(1))).toBe(true);
    expect(granted).toEqual(['two']);
    expect(locks.releaseNode(nodeId(1))).toBe(false);
    expect(locks.holdsKey(key('other'), two)).toBe(true);
    locks.tryAcquire(key('more'), one, 'update');
    expect(locks.stayOf(one)).not.toBe(stay);
  });

  it('after a split, ends the grants of who held keys on the right, and wakes who waited there', () => {
    const locks = new LockTable();
    const woken: string[] = [];
    locks.tryAcquire(key('a'), a, 'update');
    locks.tryAcquire(key('x'), b, 'update');
    locks.tryAcquire(key('b'), b, 'update');
    locks.wait(key('x'), c, 'update', () => woken.push('c'));
    locks.dropFrom(key('m'));
    expect(woken).toEqual(['c']);
    expect(locks.stayOf(a)).not.toBe(0);
    expect(locks.stayOf(b)).toBe(0);
    expect(locks.tryAcquire(key('b'), c, 'update')).toBe(true);
  });
});
