/**
 * The outcome of an attempt that nobody may decide alone (TXN-10, TXN-11): asks the anchor, and if it is undecided
 * there, every range that now overlaps a participant's span, each of which makes an abort durable if it has no record.
 * All prepared: it is committed, at the highest timestamp; else aborted. The answer is what the anchor's resolve entry
 * *applied*, so that two who recover at once cannot disagree.
 *
 * `tell` brings a decision to the participants, and then lets them forget it (TXN-12): the anchor once every span has
 * confirmed, the others once the anchor has.
 */
import type { TxnId } from '../../src/base/ids.ts';
import { formatTxnId } from '../../src/base/ids.ts';
import { reached } from '../../src/base/probe.ts';
import type { Key, Span } from '../../src/base/span.ts';
import { intersectSpans, pointSpan } from '../../src/base/span.ts';
import type { Timestamp } from '../../src/base/timestamp.ts';
import { TS_ZERO } from '../../src/base/timestamp.ts';
import type { Env } from '../../src/env/env.ts';
import { KvError } from '../../src/kv/kv-errors.ts';
import type { QuorumClock } from '../clock/quorum-clock.ts';
import type { RangeRouter, Unrouted } from '../range/range-router.ts';
import type { RangeReply, VoteReply } from '../range/requests.ts';

export type Outcome =
  | { readonly kind: 'committed'; readonly ts: Timestamp }
  | { readonly kind: 'aborted' }
  | { readonly kind: 'unknown' };

const TIMEOUT_MS = 8000;
const RUNNING_MAX = 1000;

export class Recovery {
  readonly #env: Env;
  readonly #router: RangeRouter;
  readonly #clock: QuorumClock;
  readonly #running = new Map<TxnId, Promise<Outcome>>();

  constructor(env: Env, router: RangeRouter, clock: QuorumClock) {
    this.#env = env;
    this.#router = router;
    this.#clock = clock;
  }

  /** `isHolder`: asked for a range that holds the record, which may take *forgotten* for an abort. */
  recover(txnId: TxnId, anchor: Key, isHolder: boolean): Promise<Outcome> {
    const running = this.#running.get(txnId);
    if (running !== undefined) return running;
    if (this.#running.size >= RUNNING_MAX) return Promise.resolve({ kind: 'unknown' });
    const recovering = this.#recover(txnId, anchor, isHolder)
      .catch((error: unknown): Outcome => {
        if (!(error instanceof KvError)) throw error;
        this.#env.log.warn({ txn: formatTxnId(txnId), error: error.message }, 'txn: not recovered');
        return { kind: 'unknown' };
      })
      .finally(() => this.#running.delete(txnId));
    this.#running.set(txnId, recovering);
    return recovering;
  }

  /**
   * For a range that holds the record: learns the outcome and applies it to that range's span. The anchor may know it
   * without knowing the participants, when an abort marker was all it ever had.
   */
  async recoverAt(txnId: TxnId, anchor: Key, span: Span): Promise<void> {
    const outcome = await this.recover(txnId, anchor, true);
    if (outcome.kind === 'unknown') return;
    const commitTs = outcome.kind === 'committed' ? outcome.ts : TS_ZERO;
    await this.tellNow(txnId, anchor, [span], commitTs);
  }

  async #recover(txnId: TxnId, anchor: Key, isHolder: boolean): Promise<Outcome> {
    const [first] = await this.#votes(txnId, anchor, pointSpan(anchor));
    if (first === undefined) return { kind: 'unknown' };
    if (first.vote === 'forgotten') {
      reached('recovery: the anchor had forgotten');
      return isHolder ? { kind: 'aborted' } : { kind: 'unknown' };
    }
    const spans = first.spans ?? [];
    const decided = first.vote === 'prepared' ? await this.#decide(txnId, anchor, spans) : first.ts;
    const outcome: Outcome =
      decided === 0 ? { kind: 'aborted' } : { kind: 'committed', ts: decided };
    this.#env.log.info({ txn: formatTxnId(txnId), outcome: outcome.kind }, 'txn: recovered');
    reached(decided === 0 ? 'recovery: aborted' : 'recovery: committed');
    this.tell(txnId, anchor, spans, decided);
    return outcome;
  }

  /** Asks everyone, and makes the decision at the anchor. */
  async #decide(txnId: TxnId, anchor: Key, spans: readonly Span[]): Promise<Timestamp> {
    const votes = (await Promise.all(spans.map((span) => this.#votes(txnId, anchor, span)))).flat();
    const committed = votes.find((vote) => vote.vote === 'committed');
    let ts = TS_ZERO;
    if (committed !== undefined) ts = committed.ts;
    else if (votes.every((vote) => vote.vote === 'prepared')) {
      for (const vote of votes) if (vote.ts > ts) ts = vote.ts;
    }
    if (ts > 0) await this.#clock.tryPublish(ts);
    const replies = await this.#cover(pointSpan(anchor), (span) => ({
      ...{ kind: 'resolve', txnId, anchor, span, commitTs: ts },
    }));
    const applied = replies[0];
    if (applied?.kind === 'committed') return applied.ts;
    if (applied?.kind === 'aborted') return TS_ZERO;
    throw new KvError('unavailable', 'the anchor has not decided');
  }

  async #votes(txnId: TxnId, anchor: Key, span: Span): Promise<VoteReply[]> {
    const replies = await this.#cover(span, (part) => ({
      ...{ kind: 'vote', txnId, anchor, span: part },
    }));
    return replies.filter((reply): reply is VoteReply => reply.kind === 'vote');
  }

  /** Sends a request to every range that overlaps the span, until the span is covered. */
  async #cover(span: Span, make: (part: Span) => Unrouted): Promise<RangeReply[]> {
    const replies: RangeReply[] = [];
    let at = span.start;
    while (at < span.end) {
      const descriptor = this.#router.find(at);
      const part = intersectSpans({ start: at, end: span.end }, descriptor);
      if (part === undefined) break;
      const options = { timeoutMs: TIMEOUT_MS };
      const reply = await this.#router.send(descriptor, make(part), options);
      if (reply.kind === 'moved') {
        // Learnt by the router; if it knew no better there is nothing to do but to look again.
        await this.#env.scheduler.sleep(5);
        continue;
      }
      replies.push(reply);
      at = part.end;
    }
    return replies;
  }

  /** Brings the decision to all participants, in the background, again and again until they have confirmed it. */
  tell(txnId: TxnId, anchor: Key, spans: readonly Span[], commitTs: Timestamp): void {
    void this.tellNow(txnId, anchor, spans, commitTs);
  }

  /** The same, waited for; false when some participant could not be told: its leader will ask. */
  async tellNow(
    txnId: TxnId,
    anchor: Key,
    spans: readonly Span[],
    commitTs: Timestamp,
  ): Promise<boolean> {
    try {
      await Promise.all(
        spans.map((span) =>
          this.#cover(span, (part) => ({
            ...{ kind: 'resolve', txnId, anchor, span: part, commitTs },
          })),
        ),
      );
      if (commitTs === 0) return true;
      await Promise.all(
        spans.map((span) => this.#cover(span, (part) => ({ kind: 'forget', txnId, span: part }))),
      );
      return true;
    } catch (error) {
      if (!(error instanceof KvError)) throw error;
      return false;
    }
  }
}
