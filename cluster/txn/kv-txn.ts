/**
 * One transaction at its gateway: the snapshot, the buffered writes, the read set, the locks. Implements `KvTxn`, the
 * contract with SQL; the protocol's rules that live here are TXN-1 (the gather a first lock may spare; else
 * txn-snapshot.ts), TXN-2 (snapshot reads), TXN-6 (grants are kept, for COMMIT) and TXN-13 (the snapshot moves over valid reads).
 *
 * Calls come one at a time, except `rollback`, which may come whenever; a call that finds the transaction ended after
 * it has waited throws `cancelled`.
 */
import type { Cancellation } from '../../src/base/cancellation.ts';
import { cancellationOf } from '../../src/base/cancellation.ts';
import type { LockId } from '../../src/base/ids.ts';
import type { MaybePromise } from '../../src/base/maybe-promise.ts';
import { isPromise, thenMaybe } from '../../src/base/maybe-promise.ts';
import { isBroken } from '../../src/base/mutant.ts';
import { reached } from '../../src/base/probe.ts';
import type { Key, Span } from '../../src/base/span.ts';
import { spanCovers, spanHasAll } from '../../src/base/span.ts';
import type { Timestamp } from '../../src/base/timestamp.ts';
import type {
  BeginOptions,
  KvCursor,
  KvMark,
  KvRow,
  KvTxn,
  LockOptions,
  LockedRow,
  RowChange,
  ScanOptions,
  TableFence,
} from '../../src/kv/kv-client.ts';
import { KvError, SchemaMismatch } from '../../src/kv/kv-errors.ts';
import { tableSpan } from '../../src/kv/keyspace.ts';
import type { RangeDescriptor } from '../range/range-descriptor.ts';
import type { LockGrant, LockRequest, LockedReply, RangeReply } from '../range/requests.ts';
import type { SendOptions, Unrouted } from '../range/range-router.ts';
import type { CommitInput } from './commit.ts';
import { commitDeferred, commitTxn } from './commit.ts';
import type { Outcome } from './contention-gate.ts';
import { DeferredChanges } from './deferred-changes.ts';
import { Grants } from './grants.ts';
import { getKeys } from './range-gets.ts';
import { LockAsker, lockRefusal } from './lock-asker.ts';
import { ReadSet } from './read-set.ts';
import { revalidate } from './revalidation.ts';
import { SettledReads } from './settled-reads.ts';
import { TxnFences } from './txn-fences.ts';
import { TxnCursor } from './txn-cursor.ts';
import type { TxnServices } from './txn-services.ts';
import { TxnSnapshot } from './txn-snapshot.ts';
import { MOVED_PAUSE_MS, REQUEST_TIMEOUT_MS } from './txn-services.ts';
import { WriteBuffer } from './write-buffer.ts';

const SHARE_AFTER_LOSSES = 8;
const SHARED_LOCKS_MAX = 10_000;
/** What nothing has been put in yet; never changed. */
const NO_KEYS: ReadonlySet<Key> = new Set();

export class ClusterTxn implements KvTxn {
  readonly lockId: LockId;
  readonly #services: TxnServices;
  readonly #options: BeginOptions;
  readonly #cancellation: Cancellation;
  readonly #writes = new WriteBuffer();
  readonly #reads = new ReadSet();
  readonly #deferred: DeferredChanges;
  readonly #settled: SettledReads;
  /** Made with the first lock, as what follows: most transactions are small, and many lock nothing. */
  #lockedKeys: Set<Key> | undefined;
  readonly #grants = new Grants();
  #asker: LockAsker | undefined;
  readonly #fences = new TxnFences();
  /** The read set at the last mark: what came after is the current statement's. */
  #markedReads = 0;
  readonly #snapshot: TxnSnapshot;
  #outcome: Outcome = 'abandoned';
  /** How many keys may still be locked because they are read: none, unless the session loses again and again. */
  #sharedLocksLeft: number;
  #isEnded = false;

  constructor(services: TxnServices, options: BeginOptions) {
    this.#services = services;
    this.#settled = new SettledReads(services);
    this.#options = options;
    this.#cancellation = cancellationOf(options.signal);
    this.#deferred = new DeferredChanges(services);
    this.#snapshot = new TxnSnapshot(services, {
      isGated: options.contention !== undefined,
      cancellation: this.#cancellation,
      live: () => this.#live(),
    });
    const isStarving = (options.contention?.lossesInARow ?? 0) >= SHARE_AFTER_LOSSES;
    this.#sharedLocksLeft = isStarving ? SHARED_LOCKS_MAX : 0;
    this.lockId = services.ids.next() as string as LockId;
    services.env.counters.txnsBegun++;
  }

  get hasWrites(): boolean {
    return !this.#writes.isEmpty || this.#fences.hasBumps || !this.#deferred.isEmpty;
  }

  readTs(): MaybePromise<Timestamp> {
    return this.#snapshot.read();
  }

  /* ---------- reads ---------- */

  get(k: Key, table: TableFence | undefined): MaybePromise<Uint8Array | undefined> {
    if (this.#deferred.isInTheWay(table))
      return thenMaybe(this.#settle(table), () => this.get(k, table));
    const own = this.#writes.isEmpty ? undefined : this.#writes.get(k);
    if (own !== undefined) return own ?? undefined;
    return thenMaybe(this.#fetch([k], table), ([value]) => value);
  }

  getMany(
    keys: readonly Key[],
    table: TableFence | undefined,
  ): MaybePromise<readonly (Uint8Array | undefined)[]> {
    if (this.#deferred.isInTheWay(table))
      return thenMaybe(this.#settle(table), () => this.getMany(keys, table));
    if (this.#writes.isEmpty) return this.#fetch(keys, table);
    const own = keys.map((key) => this.#writes.get(key));
    const missing = keys.filter((_, i) => own[i] === undefined);
    if (missing.length === 0) return own.map((value) => value ?? undefined);
    return thenMaybe(this.#fetch(missing, table), (values) => {
      let next = 0;
      return own.map((value) => (value === undefined ? values[next++] : (value ?? undefined)));
    });
  }

  scan(span: Span, table: TableFence | undefined, options: ScanOptions = {}): KvCursor {
    if (table !== undefined) this.#reads.addTable(table.tableId);
    return new TxnCursor(
      {
        router: this.#services.router,
        reads: this.#settled,
        writes: this.#writes,
        cancellation: this.#cancellation,
        readTs: () => thenMaybe(this.#settle(table), () => this.readTs()),
        fences: () => this.#fences.asked(table),
        onRead: (part) => this.#reads.addSpan(part),
        onRows:
          this.#sharedLocksLeft > 0 && table !== undefined
            ? (rows) => this.#shareRows(rows, table)
            : undefined,
        check: (reply) => this.#check(reply),
      },
      span,
      options,
    );
  }

  #fetch(
    keys: readonly Key[],
    table: TableFence | undefined,
  ): MaybePromise<readonly (Uint8Array | undefined)[]> {
    if (this.#sharedLocksLeft > 0 && table !== undefined) {
      return thenMaybe(this.#share(keys, table), (rows) => rows.map(({ value }) => value));
    }
    if (table !== undefined) this.#reads.addTable(table.tableId);
    for (const key of keys) this.#reads.addPoint(key);
    const ts = this.readTs();
    return thenMaybe(ts, (readTs) => this.#fetchAt(keys, readTs, table));
  }

  #fetchAt(
    keys: readonly Key[],
    ts: Timestamp,
    table: TableFence | undefined,
  ): MaybePromise<readonly (Uint8Array | undefined)[]> {
    const at = isBroken('TXN-2') ? this.#services.hlc.read() : ts;
    return getKeys(this.#services, keys, {
      ts: at,
      fences: this.#fences.asked(table),
      options: this.#sendOptions(),
      reads: this.#settled,
      check: (reply) => this.#check(reply),
    });
  }

  /* ---------- shared locks on what is read ---------- */

  /** 4.3: nobody overwrites what is locked, so the transaction gets through in the end. Counts against the bound. */
  #share(keys: readonly Key[], table: TableFence): MaybePromise<LockedRow[]> {
    this.#sharedLocksLeft -= keys.length;
    const timeoutMs = this.#options.contention?.lockTimeoutMs ?? 0;
    return this.lock(keys, table, { strength: 'share', wait: 'block', timeoutMs });
  }

  /** What was read is validated when the locks move the snapshot; if it has changed, the statement begins again. */
  #shareRows(rows: readonly KvRow[], table: TableFence): MaybePromise<void> {
    if (this.#sharedLocksLeft <= 0) return undefined;
    const keys = rows.map(({ key }) => key);
    return thenMaybe(this.#share(keys, table), () => undefined);
  }

  /* ---------- locks ---------- */

  lock(
    keys: readonly Key[],
    table: TableFence | undefined,
    options: LockOptions,
  ): MaybePromise<LockedRow[]> {
    // Locks are asked for in the order of the statements, or two transactions with one order could deadlock.
    const before = options.isClaim === true ? table : 'any';
    if (this.#deferred.isInTheWay(before)) {
      return thenMaybe(this.#settle(before), () => this.lock(keys, table, options));
    }
    const entering = this.#snapshot.enter();
    if (isPromise(entering)) return entering.then(() => this.lock(keys, table, options));
    const reading = this.#snapshot.ts === undefined ? this.#openingReading(keys) : undefined;
    if (table !== undefined) this.#reads.addTable(table.tableId);
    if (reading === undefined) {
      return thenMaybe(this.readTs(), () => this.#lock(keys, table, options));
    }
    this.#snapshot.expect();
    const descriptor = this.#services.router.find(keys[0] ?? ('' as Key));
    const reply = this.#sendLock(descriptor, keys, this.#fences.asked(table), [], options, reading);
    return thenMaybe(reply, (answer): MaybePromise<LockedRow[]> => {
      // The locks it may have given stay; all else is asked again, at a snapshot.
      if (answer?.isGather !== true) {
        return thenMaybe(this.readTs(), () => this.#lock(keys, table, options));
      }
      reached('lock: its answer was the gather');
      this.#keepGrant(answer.grant);
      this.#snapshot.open(answer.hlc);
      return keys.map((key, i) => this.#lockedRow(key, answer.rows[i], options));
    });
  }

  /**
   * The reading of this node's clock, if a first request for these locks goes to a leader whose clock makes that a
   * gather. Undefined: the transaction has read something, or needs a round.
   */
  #openingReading(keys: readonly Key[]): Timestamp | undefined {
    const { clock, router } = this.#services;
    const first = keys[0];
    const isFirst = !this.#snapshot.isGathering && this.#reads.count === 0;
    if (first === undefined || !isFirst || isBroken('TXN-1')) return undefined;
    const descriptor = router.find(first);
    const leader = router.leaderOf(descriptor.rangeId);
    if (leader === undefined || !clock.isMajorityWith(leader)) return undefined;
    return spanHasAll(descriptor, keys) ? clock.reading() : undefined;
  }

  #lock(
    keys: readonly Key[],
    table: TableFence | undefined,
    options: LockOptions,
  ): MaybePromise<LockedRow[]> {
    if (keys.length > 0) {
      const descriptor = this.#services.router.find(keys[0] ?? ('' as Key));
      if (spanHasAll(descriptor, keys)) {
        return this.#lockInRange(descriptor, keys, table, options);
      }
    }
    return this.#lockSlow(keys, table, options);
  }

  async #lockSlow(
    keys: readonly Key[],
    table: TableFence | undefined,
    options: LockOptions,
  ): Promise<LockedRow[]> {
    const found = new Map<Key, LockedRow>();
    let left = [...new Set(keys)];
    while (left.length > 0) {
      const first = left[0];
      if (first === undefined) break;
      const descriptor = this.#services.router.find(first);
      const here = left.filter((key) => descriptor.start <= key && key < descriptor.end);
      for (const row of await this.#lockInRange(descriptor, here, table, options)) {
        found.set(row.key, row);
      }
      left = left.filter((key) => !found.has(key));
    }
    return keys.flatMap((key) => found.get(key) ?? []);
  }

  /** An empty answer asks to look for the range again. */
  #lockInRange(
    descriptor: RangeDescriptor,
    keys: readonly Key[],
    table: TableFence | undefined,
    options: LockOptions,
  ): MaybePromise<LockedRow[]> {
    const reply = this.#sendLock(descriptor, keys, this.#fences.asked(table), [], options);
    return thenMaybe(reply, (answer): MaybePromise<LockedRow[]> => {
      if (answer === undefined) {
        return this.#pause().then(() => this.#lockSlow(keys, table, options));
      }
      return thenMaybe(this.#onLocked(descriptor, answer), () =>
        keys.map((key, i) => this.#lockedRow(key, answer.rows[i], options)),
      );
    });
  }

  #lockedRow(
    key: Key,
    row: LockedReply['rows'][number] | undefined,
    options: LockOptions,
  ): LockedRow {
    const isGranted = row?.isGranted ?? false;
    if (!isGranted) return { key, value: undefined, isGranted };
    if (!isBroken('TXN-6')) this.#reads.addPoint(key);
    if (options.strength === 'update') (this.#lockedKeys ??= new Set()).add(key);
    const own = this.#writes.isEmpty ? undefined : this.#writes.get(key);
    return { key, value: own === undefined ? row?.value : (own ?? undefined), isGranted };
  }

  /** Undefined: the range has moved. */
  #sendLock(
    descriptor: RangeDescriptor,
    keys: readonly Key[],
    fences: readonly TableFence[],
    fenceLocks: readonly number[],
    options: LockOptions,
    opening?: Timestamp,
  ): MaybePromise<LockedReply | undefined> {
    const request: Unrouted<LockRequest> = {
      kind: 'lock',
      lockId: this.lockId,
      keys,
      fences,
      fenceLocks,
      strength: options.strength,
      wait: options.wait,
      timeoutMs: options.timeoutMs,
      readTs: opening ?? this.#snapshot.ts ?? (0 as Timestamp),
      isOpening: opening !== undefined,
      revalidate: this.#reads.within(descriptor),
    };
    this.#asker ??= new LockAsker(this.#services, {
      lockId: this.lockId,
      grants: this.#grants,
      cancellation: this.#cancellation,
      live: () => this.#live(),
      onLost: () => (this.#outcome = 'lost'),
    });
    return thenMaybe(this.#asker.ask(descriptor, request), (reply) => {
      const answer = this.#lockAnswer(reply);
      const [table] = fences;
      if (answer?.hasWaited === true && table !== undefined) {
        this.#services.hotTables.noteWait(table.tableId);
      }
      return answer;
    });
  }

  #lockAnswer(reply: RangeReply): LockedReply | undefined {
    if (reply.kind === 'lockRefused') throw lockRefusal(reply.reason);
    this.#check(reply);
    if (reply.kind === 'moved') return undefined;
    if (reply.kind === 'locked') return reply;
    throw new KvError('unavailable', 'the lock request was not answered');
  }

  #keepGrant(grant: LockGrant): void {
    this.#live();
    this.#grants.keep(grant);
  }

  /** Keeps the grant; moves the snapshot up to what was found, if what was read before allows it (TXN-13). */
  #onLocked(descriptor: RangeDescriptor, reply: LockedReply): MaybePromise<void> {
    this.#keepGrant(reply.grant);
    const from = this.#snapshot.ts ?? (0 as Timestamp);
    if (reply.newestTs <= from) return undefined;
    reached('lock: the snapshot was moved');
    if (!reply.isRevalidated && !isBroken('TXN-13')) throw this.#movedError();
    const others = this.#reads.spans().some((span) => !spanCovers(descriptor, span));
    if (!others || isBroken('TXN-13')) {
      this.#snapshot.move(reply.hlc);
      return undefined;
    }
    return this.#revalidate(this.#reads.spans(), from, reply.hlc).then((isUnchanged) => {
      if (!isUnchanged) throw this.#movedError();
      this.#snapshot.move(reply.hlc);
    });
  }

  #movedError(): KvError {
    if (this.#reads.count > this.#markedReads) {
      return new KvError('snapshot_moved', 'what this statement has read was changed');
    }
    this.#outcome = 'lost';
    return new KvError('conflict', 'what this transaction has read was changed');
  }

  #revalidate(spans: readonly Span[], from: Timestamp, to: Timestamp): Promise<boolean> {
    return revalidate(this.#services, spans, {
      ...{ from, to, options: this.#sendOptions() },
      check: (reply) => this.#check(reply),
    });
  }

  /* ---------- writes ---------- */

  put(k: Key, value: Uint8Array, table: TableFence | undefined): MaybePromise<void> {
    return this.#write(k, value, table);
  }

  delete(k: Key, table: TableFence | undefined): MaybePromise<void> {
    return this.#write(k, null, table);
  }

  #write(k: Key, value: Uint8Array | null, table: TableFence | undefined): MaybePromise<void> {
    if (this.#deferred.isInTheWay(table)) {
      return thenMaybe(this.#settle(table), () => this.#write(k, value, table));
    }
    this.#live();
    // The fence joins the read set; that the version is the one in force is left to the commit.
    if (table !== undefined && this.#fences.notePlanned(table, this.#writes.seq)) {
      this.#reads.addTable(table.tableId);
    }
    this.#writes.set(k, value);
    if (this.#writes.sizeBytes > this.#options.txnMaxBytes) {
      const max = this.#options.txnMaxBytes;
      throw new KvError('too_large', `a transaction writes at most ${max} bytes`);
    }
  }

  async bumpFence(tableId: number, newVersion: number, options: LockOptions): Promise<void> {
    await this.#settle('any');
    await this.readTs();
    const span = tableSpan(tableId);
    let at = span.start;
    while (at < span.end) {
      const descriptor = this.#services.router.find(at);
      const reply = await this.#sendLock(descriptor, [], [], [tableId], options);
      if (reply === undefined) {
        await this.#pause();
        continue;
      }
      await this.#onLocked(descriptor, reply);
      at = descriptor.end;
    }
    this.#reads.addTable(tableId);
    // A bump is a write of its own in the order of writes, so that ROLLBACK TO drops it.
    this.#fences.bump(tableId, newVersion, this.#writes.takeSeq());
  }

  /* ---------- changes put off (TXN-17) ---------- */

  changeLater(table: TableFence, make: () => RowChange): boolean {
    this.#live();
    // Whoever has lost before takes the surer way.
    if (this.#options.contention !== undefined || !this.#deferred.mayAdd(table)) return false;
    const isKnown = (row: Key): boolean =>
      this.#writes.get(row) !== undefined || this.#reads.has(row);
    const { seq } = this.#writes;
    if (!this.#deferred.tryAdd(make(), seq + 1, isKnown)) return false;
    this.#writes.takeSeq();
    if (this.#fences.notePlanned(table, seq)) this.#reads.addTable(table.tableId);
    return true;
  }

  #settle(table: TableFence | 'any' | undefined): MaybePromise<void> {
    return this.#deferred.settle(this, () => this.#writes.seq, table);
  }

  /* ---------- marks ---------- */

  mark(): KvMark {
    this.#markedReads = this.#reads.count;
    return { writeSeq: this.#writes.seq, readCount: this.#reads.count };
  }

  rollbackTo(mark: KvMark): void {
    this.#writes.rollbackTo(mark.writeSeq);
    this.#deferred.rollbackTo(mark.writeSeq);
    this.#fences.rollbackTo(mark.writeSeq);
  }

  async restart(mark: KvMark): Promise<void> {
    this.rollbackTo(mark);
    this.#reads.dropSince(mark.readCount);
    const from = await this.readTs();
    const to = await this.#services.clock.tryGather();
    this.#live();
    if (!(await this.#revalidate(this.#reads.spans(), from, to))) {
      this.#outcome = 'lost';
      throw new KvError('conflict', 'what this transaction has read was changed');
    }
    this.#snapshot.move(to);
  }

  /* ---------- the end ---------- */

  commit(): MaybePromise<Timestamp> {
    this.#live();
    if (!this.hasWrites) return this.#commitReads();
    const ts = this.readTs();
    const committing = thenMaybe(ts, (readTs) => this.#commitWrites(readTs));
    if (!isPromise(committing)) {
      this.#outcome = 'committed';
      this.#end();
      return committing;
    }
    return committing.then(
      (done) => {
        this.#outcome = 'committed';
        this.#end();
        return this.#fences.hasBumps ? this.#tellSchemas(done) : done;
      },
      (error: unknown) => {
        if (error instanceof KvError && error.code === 'conflict') this.#outcome = 'lost';
        this.#end();
        throw error;
      },
    );
  }

  #commitWrites(readTs: Timestamp): MaybePromise<Timestamp> {
    if (this.#deferred.isEmpty) return commitTxn(this.#services, this.#commitInput(readTs));
    const done = commitDeferred(this.#services, this.#commitInput(readTs));
    return thenMaybe(done, (ts) => {
      if (ts !== undefined) return ts;
      this.#services.env.counters.deferralsUndone++;
      // What the last statement has read is not to be read again.
      this.mark();
      return thenMaybe(this.#settle('any'), () =>
        commitTxn(this.#services, this.#commitInput(this.#snapshot.ts ?? readTs)),
      );
    });
  }

  #commitInput(readTs: Timestamp): CommitInput {
    return {
      lockId: this.lockId,
      readTs,
      reads: this.#reads,
      writes: this.#writes,
      changes: this.#deferred.list,
      lockedKeys: this.#lockedKeys ?? NO_KEYS,
      grants: this.#grants.list,
      fenceWrites: this.#fences.bumps(),
      planned: this.#fences.planned(),
      onReleased: (rangeId) => this.#grants.noteReleased(rangeId),
    };
  }

  async #tellSchemas(ts: Timestamp): Promise<Timestamp> {
    await this.#services.schemaNews.tell(
      [...this.#fences.bumps()].map(([tableId, version]) => ({ tableId, version })),
    );
    return ts;
  }

  /** Without writes: what was locked must still be, and nothing else is left to do. */
  #commitReads(): MaybePromise<Timestamp> {
    const readTs = this.#snapshot.ts ?? (0 as Timestamp);
    const { counters } = this.#services.env;
    if (this.#grants.list.length === 0) {
      counters.txnsReadOnly++;
      this.#end();
      return readTs;
    }
    const checked = this.#grants.check(this.#services.router, this.lockId, this.#sendOptions());
    const held = checked.then(() => {
      counters.txnsReadOnly++;
      return readTs;
    });
    return held.finally(() => this.#end());
  }

  rollback(): void {
    this.#end();
  }

  #end(): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    const { router, census, env } = this.#services;
    env.counters.txnsEnded++;
    this.#snapshot.close(this.#outcome);
    if (this.#grants.release(router, this.lockId)) census.leave(this.lockId);
  }

  /* ---------- helpers ---------- */

  #live(): void {
    if (this.#isEnded) throw new KvError('cancelled', 'the transaction has ended');
  }

  #check(reply: RangeReply): void {
    this.#live();
    if (reply.kind === 'schemaMismatch')
      throw new SchemaMismatch(reply.tableId, reply.foundVersion);
    if (reply.kind === 'tooOld') throw new KvError('too_old', 'snapshot too old');
  }

  #sendOptions(): SendOptions {
    return { timeoutMs: REQUEST_TIMEOUT_MS, cancellation: this.#cancellation };
  }

  #pause(): Promise<void> {
    return this.#services.env.scheduler.sleep(MOVED_PAUSE_MS);
  }
}
