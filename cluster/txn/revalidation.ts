/** TXN-13: whether what a transaction has read is still the same at a later timestamp, asked of range after range. */
import type { Span } from '../../src/base/span.ts';
import { intersectSpans, spanOutside } from '../../src/base/span.ts';
import type { Timestamp } from '../../src/base/timestamp.ts';
import { KvError } from '../../src/kv/kv-errors.ts';
import type { SendOptions } from '../range/range-router.ts';
import type { RangeReply } from '../range/requests.ts';
import type { TxnServices } from './txn-services.ts';
import { MOVED_PAUSE_MS, MOVES_MAX } from './txn-services.ts';

export interface Revalidation {
  readonly from: Timestamp;
  readonly to: Timestamp;
  readonly options: SendOptions;
  /** Throws for an answer that ends the transaction. */
  readonly check: (reply: RangeReply) => void;
}

/** Is everything in the spans the same at `to` as at `from`? */
export async function revalidate(
  { router, env }: Pick<TxnServices, 'router' | 'env'>,
  spans: readonly Span[],
  { from, to, options, check }: Revalidation,
): Promise<boolean> {
  let left = [...spans];
  for (let moves = 0; left.length > 0;) {
    const first = left[0];
    if (first === undefined) break;
    const descriptor = router.find(first.start);
    const here = left.flatMap((span) => intersectSpans(span, descriptor) ?? []);
    const request = { kind: 'revalidate', spans: here, fromTs: from, toTs: to } as const;
    const reply = await router.send(descriptor, request, options);
    check(reply);
    if (reply.kind === 'revalidated') {
      if (!reply.isUnchanged) return false;
      left = left.flatMap((span) => spanOutside(span, descriptor));
    } else if (++moves > MOVES_MAX) throw new KvError('unavailable', 'ranges keep moving');
    else await env.scheduler.sleep(MOVED_PAUSE_MS);
  }
  return true;
}
