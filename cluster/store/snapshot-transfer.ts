/**
 * Whole ranges from a leader to a peer that its log no longer reaches: the range's state, its versions in chunks, the
 * staged parts of large transactions. One transfer at a time to a peer, and one at a time is received; a chunk leaves
 * when the one before is durable at the receiver, so nothing piles up.
 *
 * RANGE-2: while a split is in memory only, no snapshot is taken. A snapshot whose span overlaps another replica of the
 * receiving node is refused until that one has applied its split. The receiver marks the range, synced, before it replaces anything; a restart that finds the mark keeps
 * term, vote and log (votes rest on them) but applies nothing, does not campaign, and asks for a snapshot.
 */
import type { NodeId, RangeId } from '../../src/base/ids.ts';
import { rangeId } from '../../src/base/ids.ts';
import { reached } from '../../src/base/probe.ts';
import type { Key } from '../../src/base/span.ts';
import { spansOverlap } from '../../src/base/span.ts';
import type { Env } from '../../src/env/env.ts';
import { decodeVersions, encodeVersions } from '../../storage/codec/version-codec.ts';
import { localKey, stagedKey } from '../../storage/mvcc/mvcc-key.ts';
import type { Installation } from '../../storage/mvcc/mvcc-types.ts';
import type { Mvcc } from '../../storage/mvcc/mvcc.ts';
import { RangeState } from '../replica/range-state.ts';
import type { Transport } from '../transport/transport.ts';
import type { RaftGroup } from './raft-group.ts';
import type { Store } from './store.ts';

export const STATE_BLOB = 'state';
export const INSTALLING_BLOB = 'installing';

/** A piece that is not acknowledged within this is taken for lost, and the transfer is begun again. */
const CALL_TIMEOUT_MS = 5000;
/** A receiver that has heard nothing for this long takes another transfer. */
const STALE_MS = 10_000;

/** Which transfer a message belongs to: a number drawn by the sender. */
interface Transfer {
  readonly rangeId: number;
  readonly transfer: number;
}
interface BeginBody extends Transfer {
  readonly state: Uint8Array;
}
interface ChunkBody extends Transfer {
  /** 0, 1, 2, ...: a frame may come twice. */
  readonly number: number;
  readonly versions: Uint8Array;
}
interface StagedBody extends Transfer {
  readonly name: string;
  readonly chunk: Uint8Array;
}
interface RequestBody {
  readonly rangeId: number;
}
/** `index` 0: refused, to be tried again later. */
interface SnapshotAnswer {
  readonly index: number;
}

interface Receiving {
  readonly from: NodeId;
  readonly group: RaftGroup;
  readonly state: RangeState;
  readonly bytes: Uint8Array;
  readonly transfer: number;
  readonly installation: Promise<Installation>;
  nextChunk: number;
  heardMs: number;
}

export class SnapshotTransfer {
  readonly #env: Env;
  readonly #transport: Transport;
  readonly #mvcc: Mvcc;
  readonly #store: () => Store;
  /** Peers that something is being sent to. */
  readonly #sendingTo = new Set<NodeId>();
  #receiving: Receiving | undefined;

  constructor(ports: { env: Env; transport: Transport; mvcc: Mvcc; store: () => Store }) {
    this.#env = ports.env;
    this.#transport = ports.transport;
    this.#mvcc = ports.mvcc;
    this.#store = ports.store;
    const { transport } = ports;
    transport.register('snapshot.begin', (body, { from }) =>
      this.#onBegin(from, body as BeginBody),
    );
    transport.register('snapshot.chunk', (body, { from }) =>
      this.#onChunk(from, body as ChunkBody),
    );
    transport.register('snapshot.staged', (body, { from }) =>
      this.#onStaged(from, body as StagedBody),
    );
    transport.register('snapshot.end', (body, { from }) => this.#onEnd(from, body as Transfer));
    transport.register('snapshot.request', (body, { from }) => {
      this.#store()
        .group(rangeId((body as RequestBody).rangeId))
        ?.sendSnapshotTo(from);
    });
  }

  /** A node without the data of a range asks the leader it knows. */
  request(range: RangeId, leader: NodeId): void {
    this.#transport.cast(leader, 'snapshot.request', { rangeId: range } satisfies RequestBody);
  }

  /** The index that is installed at the peer, or undefined when it did not come to that. */
  async send(group: RaftGroup, to: NodeId): Promise<number | undefined> {
    if (this.#sendingTo.has(to)) {
      await this.#env.scheduler.sleep(500);
      return undefined;
    }
    this.#sendingTo.add(to);
    try {
      return await this.#sendRange(group, to);
    } catch (error) {
      const range = group.rangeId;
      this.#env.log.warn({ range, to, error: String(error) }, 'snapshot: sending failed');
      await this.#env.scheduler.sleep(500);
      return undefined;
    } finally {
      this.#sendingTo.delete(to);
    }
  }

  async #sendRange(group: RaftGroup, to: NodeId): Promise<number | undefined> {
    const range = group.rangeId;
    // State and stream are taken in one step; later versions in the stream are met again when their entries come.
    const state = group.state.encode();
    const staged = stagedParts(group.state);
    const stream = this.#mvcc.versions(group.state.descriptor);
    const call = async (method: string, body: object): Promise<number> => {
      const options = { timeoutMs: CALL_TIMEOUT_MS };
      const answer = await this.#transport.call(to, method, body, options);
      return (answer as SnapshotAnswer).index;
    };
    try {
      this.#env.log.info({ range, to }, 'snapshot: sending');
      const transfer = this.#env.random.int(1, 2 ** 31);
      const address = { rangeId: range, transfer };
      const begun = await call('snapshot.begin', { ...address, state });
      if (begun !== CONTINUE) return begun === 0 ? undefined : begun;
      let number = 0;
      for (let batch = await stream.next(); batch !== undefined; batch = await stream.next()) {
        const versions = encodeVersions(batch);
        const answer = await call('snapshot.chunk', { ...address, number: number++, versions });
        if (answer !== CONTINUE) return undefined;
      }
      for (const name of staged) {
        const chunk = this.#mvcc.staged(name);
        if (chunk !== undefined) await call('snapshot.staged', { ...address, name, chunk });
      }
      const index = await call('snapshot.end', address);
      this.#env.log.info({ range, to, index }, 'snapshot: installed');
      return index === 0 ? undefined : index;
    } finally {
      await stream.close();
    }
  }

  /* ---------- the receiver ---------- */

  async #onBegin(from: NodeId, body: BeginBody): Promise<SnapshotAnswer> {
    const store = this.#store();
    const state = RangeState.decode(body.state);
    const now = this.#env.clock.monotonicMs();
    if (this.#receiving !== undefined) {
      if (this.#receiving.from === from && this.#receiving.transfer === body.transfer) {
        await this.#receiving.installation;
        return { index: CONTINUE };
      }
      const isLive = this.#receiving.group.isInstalling && this.#receiving.from !== from;
      if (isLive && now - this.#receiving.heardMs < STALE_MS) return REFUSED;
      // The sender, or another one after a pause, starts over: the mark stays, and so does the group's stop.
      this.#receiving = undefined;
    }
    for (const group of store.groups()) {
      const isOther = group.rangeId !== state.rangeId;
      if (isOther && spansOverlap(group.state.descriptor, state.descriptor)) return REFUSED;
    }
    const group = store.group(state.rangeId) ?? store.addEmpty(state.descriptor);
    // What is committed here matches the sender's log: behind that it can go on by itself.
    const { commitIndex } = group.raft;
    const isBehind = group.isBroken || state.appliedIndex > commitIndex;
    if (!isBehind && !group.isInstalling) return { index: commitIndex };
    if (group.isApplying || !group.mayInstall(state.appliedIndex)) return REFUSED;
    if (store.hasUnrecorded()) {
      store.onCheckpointNeeded();
      return REFUSED;
    }
    group.beginInstall();
    const mark = { key: localKey(state.rangeId, INSTALLING_BLOB), value: Buffer.from([1]) };
    const installation = this.#mvcc.install(state.descriptor, [mark]);
    const bytes = Buffer.from(body.state);
    const { transfer } = body;
    this.#receiving = {
      ...{ from, transfer, group, state, bytes, installation },
      ...{ nextChunk: 0, heardMs: now },
    };
    await installation;
    return { index: CONTINUE };
  }

  async #onChunk(from: NodeId, body: ChunkBody): Promise<SnapshotAnswer> {
    const receiving = this.#receivingOf(from, body);
    if (receiving === undefined) return REFUSED;
    if (body.number < receiving.nextChunk) return { index: CONTINUE };
    if (body.number > receiving.nextChunk) return REFUSED;
    receiving.nextChunk++;
    const versions = decodeVersions(body.versions);
    const newest = versions.reduce((ts, version) => (version.ts > ts ? version.ts : ts), 0);
    this.#store().forwardClock(newest);
    receiving.group.noteInstallProgress();
    const installation = await receiving.installation;
    await installation.write(versions);
    receiving.heardMs = this.#env.clock.monotonicMs();
    return { index: CONTINUE };
  }

  #onStaged(from: NodeId, body: StagedBody): SnapshotAnswer {
    if (this.#receivingOf(from, body) === undefined) return REFUSED;
    this.#mvcc.stage(body.name as Key, Buffer.from(body.chunk));
    return { index: CONTINUE };
  }

  async #onEnd(from: NodeId, body: Transfer): Promise<SnapshotAnswer> {
    const receiving = this.#receivingOf(from, body);
    if (receiving === undefined) return REFUSED;
    const { group, state, bytes } = receiving;
    const installation = await receiving.installation;
    this.#receiving = undefined;
    const { rangeId: id } = state;
    const local = [
      { key: localKey(id, STATE_BLOB), value: bytes },
      { key: localKey(id, INSTALLING_BLOB), value: null },
    ];
    reached('snapshot: installed');
    await installation.finish(local, () => {
      this.#store().forwardClock(Math.max(state.maxTs, state.ceiling));
      group.endInstall(state);
    });
    this.#env.log.info({ range: id, index: state.appliedIndex }, 'snapshot: received');
    return { index: state.appliedIndex };
  }

  #receivingOf(from: NodeId, body: Transfer): Receiving | undefined {
    const receiving = this.#receiving;
    if (receiving?.from !== from || receiving.transfer !== body.transfer) return undefined;
    // It may have been given up meanwhile.
    return receiving.group.isInstalling ? receiving : undefined;
  }
}

const REFUSED: SnapshotAnswer = { index: 0 };
/** An answer that is no index: go on. */
const CONTINUE = -1;

function stagedParts(state: RangeState): Key[] {
  const names: Key[] = [];
  for (const [txnId, { spans }] of state.staged) {
    for (let part = 0; part < spans.length; part++)
      names.push(stagedKey(state.rangeId, txnId, part));
  }
  return names;
}
