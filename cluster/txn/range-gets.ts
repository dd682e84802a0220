/** Snapshot reads of keys, in one range as a rule, or asked of range after range, as often as they move. */
import type { MaybePromise } from '../../src/base/maybe-promise.ts';
import { thenMaybe } from '../../src/base/maybe-promise.ts';
import type { Key } from '../../src/base/span.ts';
import { spanHasAll } from '../../src/base/span.ts';
import type { Timestamp } from '../../src/base/timestamp.ts';
import type { TableFence } from '../../src/kv/kv-client.ts';
import { KvError } from '../../src/kv/kv-errors.ts';
import type { SendOptions } from '../range/range-router.ts';
import type { RangeReply } from '../range/requests.ts';
import type { SettledReads } from './settled-reads.ts';
import type { TxnServices } from './txn-services.ts';
import { MOVED_PAUSE_MS, MOVES_MAX } from './txn-services.ts';

export interface RangeGets {
  readonly ts: Timestamp;
  readonly fences: readonly TableFence[];
  readonly options: SendOptions;
  readonly reads: SettledReads;
  /** Throws for an answer that ends the transaction. */
  readonly check: (reply: RangeReply) => void;
}

/** The values in the order of the keys; undefined: there is no such row. */
export function getKeys(
  services: Pick<TxnServices, 'router' | 'env'>,
  keys: readonly Key[],
  gets: RangeGets,
): MaybePromise<readonly (Uint8Array | undefined)[]> {
  const first = keys[0];
  if (first === undefined) return [];
  const descriptor = services.router.find(first);
  if (!spanHasAll(descriptor, keys)) return getAcrossRanges(services, keys, gets);
  const { ts, fences, options, reads, check } = gets;
  const reply = reads.send(descriptor, { kind: 'get', keys, ts, fences }, options);
  return thenMaybe(reply, (answer) => {
    check(answer);
    if (answer.kind === 'values') return answer.values;
    return getAcrossRanges(services, keys, gets);
  });
}

async function getAcrossRanges(
  { router, env }: Pick<TxnServices, 'router' | 'env'>,
  keys: readonly Key[],
  { ts, fences, options, reads, check }: RangeGets,
): Promise<(Uint8Array | undefined)[]> {
  const found = new Map<Key, Uint8Array | undefined>();
  let left = [...new Set(keys)];
  for (let moves = 0; left.length > 0;) {
    const first = left[0];
    if (first === undefined) break;
    const descriptor = router.find(first);
    const here = left.filter((key) => descriptor.start <= key && key < descriptor.end);
    const request = { kind: 'get', keys: here, ts, fences } as const;
    const answer = await reads.send(descriptor, request, options);
    check(answer);
    if (answer.kind === 'values') {
      here.forEach((key, i) => found.set(key, answer.values[i]));
      left = left.filter((key) => !found.has(key));
    } else if (++moves > MOVES_MAX) throw new KvError('unavailable', 'ranges keep moving');
    else await env.scheduler.sleep(MOVED_PAUSE_MS);
  }
  return keys.map((key) => found.get(key));
}
