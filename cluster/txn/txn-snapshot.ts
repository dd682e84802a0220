/**
 * The snapshot of one transaction: taken by a gather when something is first read or locked (TXN-1), unless an opening
 * request for locks has spared it, and past the gate where the session has lost lately (contention-gate.ts). Nothing that
 * it sees is forgotten until it is closed.
 */
import type { Cancellation } from '../../src/base/cancellation.ts';
import type { MaybePromise } from '../../src/base/maybe-promise.ts';
import { isPromise, thenMaybe } from '../../src/base/maybe-promise.ts';
import { isBroken } from '../../src/base/mutant.ts';
import type { Timestamp } from '../../src/base/timestamp.ts';
import type { Outcome, Stay } from './contention-gate.ts';
import type { SnapshotPlace } from './open-snapshots.ts';
import type { TxnServices } from './txn-services.ts';

export interface SnapshotOwner {
  readonly isGated: boolean;
  readonly cancellation: Cancellation;
  /** Throws when the transaction has ended. */
  readonly live: () => void;
}

export class TxnSnapshot {
  readonly #services: Pick<TxnServices, 'clock' | 'hlc' | 'snapshots' | 'gate'>;
  readonly #owner: SnapshotOwner;
  #ts: Timestamp | undefined;
  #place: SnapshotPlace | undefined;
  #gathering: Promise<Timestamp> | undefined;
  /** What the gate has given, once it has let the transaction in. */
  #stay: Stay | undefined;
  #isClosed = false;

  constructor(
    services: Pick<TxnServices, 'clock' | 'hlc' | 'snapshots' | 'gate'>,
    owner: SnapshotOwner,
  ) {
    this.#services = services;
    this.#owner = owner;
  }

  /** Undefined: there is none yet. */
  get ts(): Timestamp | undefined {
    return this.#ts;
  }

  get isGathering(): boolean {
    return this.#gathering !== undefined;
  }

  read(): MaybePromise<Timestamp> {
    return this.#ts ?? this.#gathering ?? this.#gather();
  }

  /** TXN-1, when it is first needed. */
  #gather(): MaybePromise<Timestamp> {
    this.#owner.live();
    const gathering = thenMaybe(this.enter(), () => this.#askClock());
    if (!isPromise(gathering)) return this.open(gathering);
    this.#gathering = gathering.then(
      (ts) => {
        this.#gathering = undefined;
        return this.#ts ?? this.open(ts);
      },
      (error: unknown) => {
        this.#gathering = undefined;
        throw error;
      },
    );
    return this.#gathering;
  }

  #askClock(): MaybePromise<Timestamp> {
    const { clock, hlc } = this.#services;
    this.expect();
    return isBroken('TXN-1') ? hlc.read() : clock.tryGather();
  }

  /** Passes the gate, if there is one to pass. */
  enter(): MaybePromise<void> {
    const { isGated, cancellation, live } = this.#owner;
    if (!isGated || this.#stay !== undefined) return undefined;
    return thenMaybe(this.#services.gate.enter(cancellation), (stay) => {
      if (this.#isClosed) stay.end('abandoned');
      live();
      this.#stay = stay;
    });
  }

  /** Before a snapshot is asked for. */
  expect(): void {
    if (!this.#isClosed) this.#place ??= this.#services.snapshots.enter();
  }

  open(ts: Timestamp): Timestamp {
    this.#place?.move(ts);
    return (this.#ts = ts);
  }

  /** To a later one (TXN-13): its place stays where it was. */
  move(ts: Timestamp): void {
    this.#ts = ts;
  }

  close(outcome: Outcome): void {
    this.#isClosed = true;
    this.#place?.close();
    this.#stay?.end(outcome);
  }
}
