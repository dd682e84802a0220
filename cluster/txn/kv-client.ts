/**
 * The node's `KvClient`: begins transactions, answers latest reads by one request to one leader (TXN-3) or, at any
 * complication, by a snapshot transaction of one statement, and carries the administrative calls.
 */
import { cancellationOf } from '../../src/base/cancellation.ts';
import type { NodeId, RangeId } from '../../src/base/ids.ts';
import { rangeId } from '../../src/base/ids.ts';
import type { MaybePromise } from '../../src/base/maybe-promise.ts';
import { isPromise, thenMaybe } from '../../src/base/maybe-promise.ts';
import type { Key, Span } from '../../src/base/span.ts';
import { KEY_MAX, KEY_MIN, intersectSpans, spanContains } from '../../src/base/span.ts';
import { TS_ZERO } from '../../src/base/timestamp.ts';
import type {
  BeginOptions,
  ChangeRunner,
  KvClient,
  KvTxn,
  LatestGet,
  LatestScan,
  RangeInfo,
  RowChange,
  ScanOptions,
  TableFence,
} from '../../src/kv/kv-client.ts';
import { KvError, SchemaMismatch } from '../../src/kv/kv-errors.ts';
import { SYSTEM_SPAN } from '../../src/kv/keyspace.ts';
import type { Attempted, Unrouted } from '../range/range-router.ts';
import type { RangeReply, ScanRequest } from '../range/requests.ts';
import { ClusterTxn } from './kv-txn.ts';
import { changeAtOnce, changesAtOnce } from './row-change.ts';
import type { TxnServices } from './txn-services.ts';
import { REQUEST_TIMEOUT_MS } from './txn-services.ts';

/** A latest scan answers in one batch of at most this, or is run as a snapshot. */
const LATEST_ROWS = 1000;
const LATEST_BYTES = 512 * 1024;
/** The next range id, as decimal text. */
const RANGE_ID_KEY = `${SYSTEM_SPAN.start}next-range` as Key;
const SYSTEM_TXN_BYTES = 1 << 20;
const ADMIN_TRIES = 50;

export class ClusterKvClient implements KvClient {
  readonly nodeId: NodeId;
  readonly #services: TxnServices;
  #runner: ChangeRunner | undefined;
  #lastUniqueMs = 0;
  #uniqueCounter = 0;

  constructor(services: TxnServices) {
    this.nodeId = services.self;
    this.#services = services;
  }

  onSchemaChange(listener: (table: TableFence) => void): void {
    this.#services.schemaNews.listen(listener);
  }

  begin(options: BeginOptions): KvTxn {
    return new ClusterTxn(this.#services, options);
  }

  /* ---------- changes in one request ---------- */

  changeAtOnce(change: RowChange, signal: AbortSignal): MaybePromise<boolean> {
    return changeAtOnce(this.#services, change, signal);
  }

  changesAtOnce(changes: readonly RowChange[], signal: AbortSignal): Promise<boolean>[] {
    return changesAtOnce(this.#services, changes, signal);
  }

  onChange(runner: ChangeRunner): void {
    this.#runner = runner;
  }

  /** At the leader: what another gateway has sent. */
  runProgram(program: Uint8Array, txn: KvTxn): MaybePromise<boolean> {
    return this.#runner?.(program, txn) ?? false;
  }

  /* ---------- latest reads ---------- */

  latestGet(k: Key, table: TableFence, signal: AbortSignal): MaybePromise<Uint8Array | undefined> {
    const request = { kind: 'get', keys: [k], ts: TS_ZERO, fences: [table] } as const;
    return thenMaybe(this.#latest(k, request, signal), (reply) => {
      if (reply?.kind === 'values') return reply.values[0];
      return this.#snapshotGet(k, table, signal);
    });
  }

  latestGets(
    gets: readonly LatestGet[],
    signal: AbortSignal,
  ): MaybePromise<readonly (Uint8Array | undefined)[] | undefined> {
    const keys = gets.map(({ key }) => key);
    const at = keys[0] ?? KEY_MIN;
    const descriptor = this.#services.router.find(at);
    if (!keys.every((key) => spanContains(descriptor, key))) return undefined;
    const fences = distinctFences(gets);
    const request = { kind: 'get', keys, ts: TS_ZERO, fences } as const;
    return thenMaybe(this.#latest(at, request, signal), (reply) =>
      reply?.kind === 'values' ? reply.values : undefined,
    );
  }

  latestScan(
    span: Span,
    table: TableFence,
    options: ScanOptions,
    signal: AbortSignal,
  ): MaybePromise<LatestScan> {
    const descriptor = this.#services.router.find(span.start);
    if (span.end > descriptor.end) return { rows: [], isComplete: false };
    const limit = options.limit ?? Number.POSITIVE_INFINITY;
    const request: Unrouted<ScanRequest> = {
      kind: 'scan',
      span,
      ts: TS_ZERO,
      reverse: options.reverse ?? false,
      limitRows: Math.min(limit, LATEST_ROWS),
      limitBytes: LATEST_BYTES,
      fences: [table],
    };
    return thenMaybe(this.#latest(span.start, request, signal), (reply): LatestScan => {
      if (reply?.kind !== 'rows') return { rows: [], isComplete: false };
      const isComplete = reply.resume === undefined || reply.rows.length >= limit;
      return { rows: isComplete ? reply.rows : [], isComplete };
    });
  }

  /** One request to one leader; undefined when it did not answer as a latest read. */
  #latest(at: Key, request: Unrouted, signal: AbortSignal): MaybePromise<RangeReply | undefined> {
    const { router, env } = this.#services;
    env.counters.latestReads++;
    const descriptor = router.find(at);
    const sent = router.sendOnce(descriptor, request, {
      timeoutMs: REQUEST_TIMEOUT_MS,
      cancellation: cancellationOf(signal),
    });
    if (!isPromise(sent)) return this.#latestAnswer(sent);
    return sent.then((attempted) => {
      if (attempted.kind !== 'reply') router.noteFailure(descriptor, attempted);
      return this.#latestAnswer(attempted);
    });
  }

  #latestAnswer(attempted: Attempted): RangeReply | undefined {
    if (attempted.kind !== 'reply') return undefined;
    const { reply } = attempted;
    if (reply.kind === 'moved') this.#services.router.learn(reply.descriptors);
    if (reply.kind === 'schemaMismatch') {
      throw new SchemaMismatch(reply.tableId, reply.foundVersion);
    }
    return reply;
  }

  async #snapshotGet(
    k: Key,
    table: TableFence,
    signal: AbortSignal,
  ): Promise<Uint8Array | undefined> {
    const txn = this.begin({ txnMaxBytes: SYSTEM_TXN_BYTES, signal });
    try {
      return await txn.get(k, table);
    } finally {
      txn.rollback();
    }
  }

  /* ---------- identity ---------- */

  /** 41 bits of milliseconds, 10 of a counter, 12 of the node: positive in 63 bits. */
  uniqueInt(): bigint {
    const ms = Math.max(Math.floor(this.#services.hlc.read() / 4096), this.#lastUniqueMs);
    if (ms > this.#lastUniqueMs) {
      this.#lastUniqueMs = ms;
      this.#uniqueCounter = 0;
    } else if (++this.#uniqueCounter === 1024) {
      this.#lastUniqueMs++;
      this.#uniqueCounter = 0;
    }
    return (
      (BigInt(this.#lastUniqueMs) << 22n) |
      (BigInt(this.#uniqueCounter) << 12n) |
      BigInt(this.nodeId & 0xfff)
    );
  }

  /* ---------- administration ---------- */

  async splitAt(k: Key, signal: AbortSignal): Promise<void> {
    const rightId = await this.#newRangeId(signal);
    const reply = await this.#admin(k, { kind: 'split', at: k, rightId }, signal);
    if (reply.kind !== 'done') throw new KvError('unavailable', 'the range could not be split');
    // Learn both halves: the old descriptor is answered with what it has become.
    const { router } = this.#services;
    const left = router.find(k);
    if (left.start !== k) await this.#describeAt(k, signal);
  }

  async #newRangeId(signal: AbortSignal): Promise<number> {
    const txn = this.begin({ txnMaxBytes: SYSTEM_TXN_BYTES, signal });
    try {
      const options = { strength: 'update', wait: 'block', timeoutMs: 5000 } as const;
      const [row] = await txn.lock([RANGE_ID_KEY], undefined, options);
      const next = row?.value === undefined ? 2 : Number(Buffer.from(row.value).toString());
      await txn.put(RANGE_ID_KEY, Buffer.from(String(next + 1)), undefined);
      await txn.commit();
      return next;
    } finally {
      txn.rollback();
    }
  }

  async listRanges(span: Span, signal: AbortSignal): Promise<RangeInfo[]> {
    const found: RangeInfo[] = [];
    let at = span.start;
    while (at < span.end) {
      const info = await this.#describeAt(at, signal);
      if (intersectSpans(info, span) !== undefined) found.push(info);
      at = info.end;
    }
    return found;
  }

  async #describeAt(at: Key, signal: AbortSignal): Promise<RangeInfo> {
    for (let tries = 0; tries < ADMIN_TRIES; tries++) {
      const { router, env } = this.#services;
      const options = { timeoutMs: REQUEST_TIMEOUT_MS, cancellation: cancellationOf(signal) };
      const reply = await router.send(router.find(at), { kind: 'describe' }, options);
      if (reply.kind === 'described') {
        const { descriptor } = reply;
        router.learn([descriptor, ...reply.neighbours]);
        if (descriptor.start <= at && at < descriptor.end) {
          return { ...descriptor, leader: reply.leader, sizeBytes: reply.sizeBytes };
        }
      }
      await env.scheduler.sleep(20);
    }
    throw new KvError('unavailable', 'the range could not be found');
  }

  async transferLeader(range: RangeId, to: NodeId, signal: AbortSignal): Promise<void> {
    const all = await this.listRanges({ start: KEY_MIN, end: KEY_MAX }, signal);
    const info = all.find((each) => each.rangeId === rangeId(range));
    if (info === undefined) throw new KvError('unavailable', `there is no range ${range}`);
    if (info.leader === to) return;
    const reply = await this.#admin(info.start, { kind: 'transfer', to }, signal);
    if (reply.kind !== 'done') throw new KvError('unavailable', 'the leader was not transferred');
    this.#services.router.noteLeader(range, to);
  }

  async #admin(at: Key, request: Unrouted, signal: AbortSignal): Promise<RangeReply> {
    for (let tries = 0; tries < ADMIN_TRIES; tries++) {
      const { router, env } = this.#services;
      const options = { timeoutMs: REQUEST_TIMEOUT_MS, cancellation: cancellationOf(signal) };
      const reply = await router.send(router.find(at), request, options);
      if (reply.kind !== 'moved') return reply;
      await env.scheduler.sleep(20);
    }
    throw new KvError('unavailable', 'the range keeps moving');
  }
}

function distinctFences(gets: readonly LatestGet[]): readonly TableFence[] {
  const fences: TableFence[] = [];
  for (const { table } of gets) {
    const isSame = (known: TableFence): boolean =>
      known.tableId === table.tableId && known.version === table.version;
    if (!fences.some(isSame)) fences.push(table);
  }
  return fences;
}
