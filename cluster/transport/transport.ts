/**
 * Messages between nodes over the `Network` port: Raft messages, casts, and calls with an answer. All that is sent to a
 * peer in one turn of the event loop leaves as one frame, which carries the sender's HLC and wall reading (CLOCK-4).
 *
 *   frame    HLC, wall, the sender's epoch and the frame's number, then messages
 *   message  kind, fields, body; the bodies of a method's calls and casts are written by its codec, Raft's by its own
 *
 * A call is handled at most once: a frame that comes again brings Raft messages and pings only (frame-window.ts).
 *
 * A call ends with its answer, its time-out, the caller's abort (which is told to the other side), or the loss of the
 * peer: of its connection, or of its voice (see `PeerWatch`). `maybeDelivered` says whether the other side may have handled it. What cannot be decoded ends the frame,
 * and is logged; nothing else is touched. Calls to oneself do not pass through here.
 *
 * The stamp is read when the frame leaves, not when its first message is put in: whatever a message says was true at or
 * below it, so a receiver that has forwarded to the stamp is ahead of all it is about to read.
 */
import { ChurnMap } from '../../src/base/churn-map.ts';
import { ByteDecodeError, ByteReader, ByteWriter } from '../../src/base/bytes.ts';
import { QuorateError } from '../../src/base/errors.ts';
import { Cancellation } from '../../src/base/cancellation.ts';
import type { NodeId, RangeId } from '../../src/base/ids.ts';
import { rangeId } from '../../src/base/ids.ts';
import type { MaybePromise } from '../../src/base/maybe-promise.ts';
import { isPromise } from '../../src/base/maybe-promise.ts';
import type { Timestamp } from '../../src/base/timestamp.ts';
import type { Env, Network } from '../../src/env/env.ts';
import type { BodyCodec, MethodCodec } from './body-codec.ts';
import { MSGPACK } from './body-codec.ts';
import type { Deadline } from './deadlines.ts';
import { Deadlines } from './deadlines.ts';
import { FrameWindow } from './frame-window.ts';
import type { Ping } from './peer-watch.ts';
import { PeerWatch } from './peer-watch.ts';

export type TransportErrorCode = 'peer_down' | 'timeout' | 'remote' | 'aborted' | 'overloaded';

export class TransportError extends QuorateError<TransportErrorCode> {
  override readonly name = 'TransportError';
  /** The request may have been handled by the other side. */
  readonly maybeDelivered: boolean;

  constructor(code: TransportErrorCode, message: string, maybeDelivered: boolean) {
    super(code, message, { ambiguous: maybeDelivered });
    this.maybeDelivered = maybeDelivered;
  }
}

export interface CallContext {
  readonly from: NodeId;
  /** Cancelled when the caller gives up or is lost. Made on first use. */
  cancellation(): Cancellation;
}

export type Handler = (body: unknown, context: CallContext) => MaybePromise<unknown>;

export interface CallOptions {
  readonly timeoutMs: number;
  readonly cancellation?: Cancellation | undefined;
}

export interface Stamps {
  /** What a frame carries: read when it is made. */
  readHlc(): Timestamp;
  /** Before a frame's messages are handled. */
  onStamp(from: NodeId, hlc: Timestamp, wallMs: number): void;
}

const KIND_RAFT = 1;
const KIND_CALL = 2;
const KIND_ANSWER = 3;
const KIND_FAILURE = 4;
const KIND_CAST = 5;
const KIND_CANCEL = 6;
const KIND_PING = 7;

const OUTSTANDING_MAX = 100_000;
/** A frame that has grown to this leaves before the turn has ended. */
const FRAME_BYTES_HIGH = 1 << 20;
/** The stamp: HLC, wall reading, epoch and number, eight bytes each. */
const STAMP_BYTES = 32;
const EPOCH_MAX = 2 ** 52;
/** Numbers of calls stay small integers, which are cheap as keys. */
const FIRST_ID_MAX = 2 ** 30;

interface Method {
  readonly handler: Handler;
  readonly codec: MethodCodec;
}

interface Outstanding extends Deadline {
  readonly to: NodeId;
  readonly codec: BodyCodec;
  readonly resolve: (body: unknown) => void;
  readonly reject: (error: TransportError) => void;
  readonly cancellation: Cancellation | undefined;
  readonly onCancel: () => void;
}

export class Transport {
  readonly #env: Env;
  readonly #network: Network;
  readonly #stamps: Stamps;
  readonly #methods = new Map<string, Method>();
  readonly #frames = new Map<NodeId, ByteWriter>();
  readonly #outstanding = new ChurnMap<number, Outstanding>();
  /** Calls being served that asked to be told when nobody waits any more: by caller, by its number. */
  readonly #serving = new Map<NodeId, ChurnMap<number, Cancellation>>();
  readonly #watch: PeerWatch;
  readonly #deadlines: Deadlines;
  /** Of this process: its frames are numbered from 1 to each peer. */
  readonly #epoch: number;
  readonly #sentTo = new Map<NodeId, number>();
  readonly #windows = new Map<NodeId, FrameWindow>();
  /** Begins where other processes of this node did not: an answer that was meant for one of them finds nobody. */
  #lastId: number;
  #isScheduled = false;
  #onRaft: ((from: NodeId, range: RangeId, bytes: Uint8Array) => void) | undefined;
  readonly #peerWatchers: ((peer: NodeId, isUp: boolean) => void)[] = [];

  constructor(env: Env, network: Network, stamps: Stamps) {
    this.#env = env;
    this.#network = network;
    this.#stamps = stamps;
    this.#deadlines = new Deadlines(env);
    this.#epoch = Math.floor(env.random.next() * EPOCH_MAX);
    this.#lastId = this.#epoch % FIRST_ID_MAX;
    this.#watch = new PeerWatch(env, {
      ping: (peer, ping) => this.#ping(peer, ping),
      onChange: (peer, isUp) => this.#onPeer(peer, isUp),
    });
  }

  async start(): Promise<void> {
    await this.#network.start({
      onFrame: (from, frame) => this.#onFrame(from, frame),
      onPeerUp: (peer) => this.#watch.onConnected(peer),
      onPeerDown: (peer) => this.#watch.onLost(peer),
    });
    this.#watch.start();
  }

  stop(): Promise<void> {
    this.#watch.stop();
    return this.#network.stop();
  }

  isUp(peer: NodeId): boolean {
    return this.#watch.isUp(peer);
  }

  peersUp(): NodeId[] {
    return this.#watch.peersUp();
  }

  /** Peers that have been able to talk to more nodes than this one for a while. */
  betterConnected(): NodeId[] {
    return this.#watch.betterConnected();
  }

  /** Both sides have to name the same codec. */
  register(method: string, handler: Handler, codec = MSGPACK): void {
    this.#methods.set(method, { handler, codec });
  }

  onRaft(handler: (from: NodeId, range: RangeId, bytes: Uint8Array) => void): void {
    this.#onRaft = handler;
  }

  onPeerChange(watcher: (peer: NodeId, isUp: boolean) => void): void {
    this.#peerWatchers.push(watcher);
  }

  /* ---------- sending ---------- */

  sendRaft(to: NodeId, range: RangeId, bytes: Uint8Array): void {
    const frame = this.#frameFor(to);
    frame.u8(KIND_RAFT);
    frame.varint(range);
    frame.bytes(bytes);
    this.#afterWrite(to, frame);
  }

  #ping(to: NodeId, { isHeard, reach }: Ping): void {
    const frame = this.#frameFor(to);
    frame.u8(KIND_PING);
    frame.u8(isHeard ? 1 : 0);
    frame.varint(reach);
    this.#afterWrite(to, frame);
  }

  cast(to: NodeId, method: string, body: unknown): void {
    const frame = this.#frameFor(to);
    frame.u8(KIND_CAST);
    frame.key(method);
    writeBody(frame, this.#codecOf(method).request, body);
    this.#afterWrite(to, frame);
  }

  /** Rejects with `TransportError`. */
  call(to: NodeId, method: string, body: unknown, options: CallOptions): Promise<unknown> {
    if (!this.#watch.isUp(to)) {
      return Promise.reject(new TransportError('peer_down', `node ${to} is not connected`, false));
    }
    const { cancellation } = options;
    if (cancellation?.isCancelled === true) {
      return Promise.reject(new TransportError('aborted', 'cancelled', false));
    }
    if (this.#outstanding.size >= OUTSTANDING_MAX) {
      return Promise.reject(new TransportError('overloaded', 'too many calls are out', false));
    }
    const id = ++this.#lastId;
    const frame = this.#frameFor(to);
    const codec = this.#codecOf(method);
    frame.u8(KIND_CALL);
    frame.varint(id);
    frame.key(method);
    writeBody(frame, codec.request, body);
    const answer = new Promise<unknown>((resolve, reject) => {
      const call: Outstanding = {
        to,
        codec: codec.answer,
        resolve,
        reject,
        cancellation,
        onCancel: () => this.#giveUp(id, new TransportError('aborted', 'cancelled', true)),
        deadlineMs: 0,
        slot: -1,
        onExpired: () =>
          this.#giveUp(id, new TransportError('timeout', `node ${to} did not answer`, true)),
      };
      this.#deadlines.add(call, options.timeoutMs);
      cancellation?.onCancel(call.onCancel);
      this.#outstanding.set(id, call);
    });
    this.#afterWrite(to, frame);
    return answer;
  }

  #giveUp(id: number, error: TransportError): void {
    const call = this.#take(id);
    if (call === undefined) return;
    const frame = this.#frameFor(call.to);
    frame.u8(KIND_CANCEL);
    frame.varint(id);
    this.#afterWrite(call.to, frame);
    call.reject(error);
  }

  #take(id: number): Outstanding | undefined {
    const call = this.#outstanding.get(id);
    if (call === undefined) return undefined;
    this.#outstanding.delete(id);
    this.#deadlines.remove(call);
    call.cancellation?.offCancel(call.onCancel);
    return call;
  }

  /** To be followed by one message. */
  #frameFor(to: NodeId): ByteWriter {
    this.#env.counters.netMessagesSent++;
    let frame = this.#frames.get(to);
    if (frame === undefined) {
      frame = new ByteWriter(4096);
      this.#frames.set(to, frame);
    }
    if (frame.length === 0) {
      // The room for the stamp, which is read when the frame leaves.
      for (let i = 0; i < STAMP_BYTES; i += 8) frame.f64(0);
    }
    return frame;
  }

  #afterWrite(to: NodeId, frame: ByteWriter): void {
    if (frame.length >= FRAME_BYTES_HIGH) {
      this.#flush(to);
      return;
    }
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    this.#env.scheduler.deferLast(() => {
      this.#isScheduled = false;
      this.flush();
    });
  }

  /** Sends now what would leave at the end of the turn. */
  flush(): void {
    for (const [peer, frame] of this.#frames) if (frame.length > 0) this.#flush(peer);
  }

  #flush(to: NodeId): void {
    const frame = this.#frames.get(to);
    if (frame === undefined || frame.length === 0) return;
    const bytes = frame.copy();
    bytes.writeDoubleBE(this.#stamps.readHlc(), 0);
    bytes.writeDoubleBE(this.#env.clock.wallMs(), 8);
    const seq = (this.#sentTo.get(to) ?? 0) + 1;
    this.#sentTo.set(to, seq);
    bytes.writeDoubleBE(this.#epoch, 16);
    bytes.writeDoubleBE(seq, 24);
    this.#env.counters.netFramesSent++;
    this.#env.counters.netBytesSent += bytes.length;
    this.#network.send(to, bytes);
    if (frame.length > FRAME_BYTES_HIGH) this.#frames.delete(to);
    else frame.reset();
  }

  /* ---------- receiving ---------- */

  #onPeer(peer: NodeId, isUp: boolean): void {
    if (!isUp) {
      this.#env.log.info({ peer }, 'transport: lost a peer');
      for (const [id, call] of [...this.#outstanding]) {
        if (call.to !== peer) continue;
        this.#take(id)?.reject(new TransportError('peer_down', `lost node ${peer}`, true));
      }
      for (const cancellation of [...(this.#serving.get(peer)?.values() ?? [])]) {
        cancellation.cancel();
      }
    }
    for (const watch of this.#peerWatchers) watch(peer, isUp);
  }

  #onFrame(from: NodeId, frame: Uint8Array): void {
    try {
      this.#env.counters.netFramesReceived++;
      this.#env.counters.netBytesReceived += frame.length;
      const reader = new ByteReader(frame);
      const hlc = reader.f64() as Timestamp;
      const wallMs = reader.f64();
      const epoch = reader.f64();
      const seq = reader.f64();
      const isStamp = Number.isSafeInteger(hlc) && hlc >= 0 && Number.isFinite(wallMs);
      if (!isStamp || !Number.isSafeInteger(epoch) || !Number.isSafeInteger(seq) || seq < 1) {
        throw new ByteDecodeError('not a stamp');
      }
      const isNew = this.#windowOf(from).isNew(epoch, seq);
      this.#watch.onHeard(from);
      this.#stamps.onStamp(from, hlc, wallMs);
      while (reader.remaining > 0) this.#onMessage(from, reader, isNew);
    } catch (error) {
      if (!(error instanceof ByteDecodeError)) throw error;
      this.#env.log.warn({ from, error: error.message }, 'transport: bad frame');
    }
  }

  #windowOf(peer: NodeId): FrameWindow {
    let window = this.#windows.get(peer);
    if (window === undefined) {
      window = new FrameWindow();
      this.#windows.set(peer, window);
    }
    return window;
  }

  #onMessage(from: NodeId, reader: ByteReader, isNew: boolean): void {
    this.#env.counters.netMessagesReceived++;
    const kind = reader.u8();
    switch (kind) {
      case KIND_PING:
        this.#watch.onPing(from, { isHeard: reader.u8() === 1, reach: reader.varint() });
        return;
      case KIND_RAFT: {
        const range = reader.varint();
        if (range === 0) throw new ByteDecodeError('no such range');
        this.#onRaft?.(from, rangeId(range), reader.bytes());
        return;
      }
      case KIND_CALL: {
        const id = reader.varint();
        const name = reader.key();
        const method = this.#methods.get(name);
        const body = reader.sized();
        if (!isNew) return;
        if (method === undefined) this.#fail(from, id, `no method ${name}`);
        else this.#serve(from, id, method, method.codec.request.read(body));
        return;
      }
      case KIND_ANSWER: {
        const id = reader.varint();
        const body = reader.sized();
        const codec = this.#outstanding.get(id)?.codec;
        if (codec !== undefined) this.#take(id)?.resolve(codec.read(body));
        return;
      }
      case KIND_FAILURE: {
        const id = reader.varint();
        this.#take(id)?.reject(new TransportError('remote', reader.text(), true));
        return;
      }
      case KIND_CAST: {
        const method = this.#methods.get(reader.key());
        const body = reader.sized();
        if (method === undefined || !isNew) return;
        void method.handler(method.codec.request.read(body), {
          from,
          cancellation: neverCancelled,
        });
        return;
      }
      case KIND_CANCEL: {
        const id = reader.varint();
        this.#serving.get(from)?.get(id)?.cancel();
        return;
      }
      default:
        throw new ByteDecodeError(`no message of kind ${kind}`);
    }
  }

  #serve(from: NodeId, id: number, { handler, codec }: Method, body: unknown): void {
    let answer: MaybePromise<unknown>;
    try {
      answer = handler(body, { from, cancellation: () => this.#cancellationOf(from, id) });
    } catch (error) {
      this.#serving.get(from)?.delete(id);
      this.#fail(from, id, String(error));
      return;
    }
    if (!isPromise(answer)) {
      this.#serving.get(from)?.delete(id);
      this.#answer(from, id, codec.answer, answer);
      return;
    }
    answer.then(
      (value) => {
        this.#serving.get(from)?.delete(id);
        this.#answer(from, id, codec.answer, value);
      },
      (error: unknown) => {
        this.#serving.get(from)?.delete(id);
        this.#fail(from, id, String(error));
      },
    );
  }

  #codecOf(method: string): MethodCodec {
    return this.#methods.get(method)?.codec ?? MSGPACK;
  }

  #cancellationOf(from: NodeId, id: number): Cancellation {
    let calls = this.#serving.get(from);
    if (calls === undefined) {
      calls = new ChurnMap();
      this.#serving.set(from, calls);
    }
    let cancellation = calls.get(id);
    if (cancellation === undefined) {
      cancellation = new Cancellation();
      calls.set(id, cancellation);
    }
    return cancellation;
  }

  #answer(to: NodeId, id: number, codec: BodyCodec, body: unknown): void {
    const frame = this.#frameFor(to);
    frame.u8(KIND_ANSWER);
    frame.varint(id);
    writeBody(frame, codec, body);
    this.#afterWrite(to, frame);
  }

  #fail(to: NodeId, id: number, message: string): void {
    this.#env.log.error({ to, message }, 'transport: a handler failed');
    const frame = this.#frameFor(to);
    frame.u8(KIND_FAILURE);
    frame.varint(id);
    frame.text(message);
    this.#afterWrite(to, frame);
  }
}

function writeBody(frame: ByteWriter, codec: BodyCodec, body: unknown): void {
  const start = frame.beginSized();
  codec.write(frame, body);
  frame.endSized(start);
}

/** Of casts: nobody waits for them. */
const neverCancelled = (): Cancellation => new Cancellation();
