/** Snapshot reads of keys in several ranges, asked of range after range, as often as they move. */
import type { Key } from '../../src/base/span.ts';
import type { Timestamp } from '../../src/base/timestamp.ts';
import type { TableFence } from '../../src/kv/kv-client.ts';
import { KvError } from '../../src/kv/kv-errors.ts';
import type { SendOptions } from '../range/range-router.ts';
import type { RangeReply } from '../range/requests.ts';
import type { TxnServices } from './txn-services.ts';
import { MOVED_PAUSE_MS, MOVES_MAX } from './txn-services.ts';

export interface RangeGets {
  readonly ts: Timestamp;
  readonly fences: readonly TableFence[];
  readonly options: SendOptions;
  /** Throws for an answer that ends the transaction. */
  readonly check: (reply: RangeReply) => void;
}

/** The values in the order of the keys; undefined: there is no such row. */
export async function getAcrossRanges(
  { router, env }: Pick<TxnServices, 'router' | 'env'>,
  keys: readonly Key[],
  { ts, fences, options, check }: RangeGets,
): Promise<(Uint8Array | undefined)[]> {
  const found = new Map<Key, Uint8Array | undefined>();
  let left = [...new Set(keys)];
  for (let moves = 0; left.length > 0;) {
    const first = left[0];
    if (first === undefined) break;
    const descriptor = router.find(first);
    const here = left.filter((key) => descriptor.start <= key && key < descriptor.end);
    const request = { kind: 'get', keys: here, ts, fences } as const;
    const answer = await router.send(descriptor, request, options);
    check(answer);
    if (answer.kind === 'values') {
      here.forEach((key, i) => found.set(key, answer.values[i]));
      left = left.filter((key) => !found.has(key));
    } else if (++moves > MOVES_MAX) throw new KvError('unavailable', 'ranges keep moving');
    else await env.scheduler.sleep(MOVED_PAUSE_MS);
  }
  return keys.map((key) => found.get(key));
}
