/**
 * Load control for transactions that keep losing to each other. Where most attempts end with a conflict, more of them at
 * a time commit less: each overwrites what others have read, and the work of the losers was for nothing. So a transaction
 * whose session has lost lately passes a gate before its snapshot is taken, and the gate lets in as many at a time as get
 * through (conflict-driven load control: Moenkeberg and Weikum, VLDB 1992, with steps like those of TCP):
 *
 *   limit: so many are inside at a time; of each `WINDOW` that were let in and then committed or lost,
 *     more than three in eight lost  -> a quarter less, at least 1
 *     less than one in eight lost    -> one more, if someone had to wait
 *
 * Invariants: first come, first served; nobody waits for longer than `WAIT_MS`, nor counts as inside for longer than
 * `INSIDE_MS`, so that a client that thinks inside its transaction holds up others for a moment only. Nothing but
 * throughput rests on it. One gate for a node: the nodes do not speak of their limits, each comes to its own.
 */
import type { Cancellation } from '../../src/base/cancellation.ts';
import type { MaybePromise } from '../../src/base/maybe-promise.ts';
import type { Env, Timer } from '../../src/env/env.ts';

const WINDOW = 16;
const LOST_MANY = 6;
const LOST_FEW = 2;
const LIMIT_START = 8;
const LIMIT_MAX = 1024;
const WAIT_MS = 1000;
const INSIDE_MS = 250;

type GateEnv = Pick<Env, 'scheduler' | 'counters'>;

export class ContentionGate {
  readonly #env: GateEnv;
  /** Whoever waits, in the order of their coming: calling one lets it in. Empty while there is room. */
  readonly #queue: (() => void)[] = [];
  #limit = LIMIT_START;
  #inside = 0;
  /** Of the running window. */
  #ended = 0;
  #lost = 0;
  #hasWaited = false;

  constructor(env: GateEnv) {
    this.#env = env;
  }

  /** How many may be inside at a time. */
  get limit(): number {
    return this.#limit;
  }

  /** Resolves when it is the caller's turn, when it has waited long enough, or when it is cancelled. */
  enter(cancellation: Cancellation): MaybePromise<Stay> {
    if (this.#inside < this.#limit || cancellation.isCancelled) return this.#begin();
    this.#hasWaited = true;
    this.#env.counters.txnsHeldBack++;
    return new Promise((resolve) => {
      const letIn = (): void => {
        timer.cancel();
        cancellation.offCancel(waitNoLonger);
        resolve(this.#begin());
      };
      const waitNoLonger = (): void => {
        this.#queue.splice(this.#queue.indexOf(letIn), 1);
        letIn();
      };
      const timer = this.#env.scheduler.after(WAIT_MS, waitNoLonger);
      cancellation.onCancel(waitNoLonger);
      this.#queue.push(letIn);
    });
  }

  #begin(): Stay {
    this.#inside++;
    let isInside = true;
    const leave = (): void => {
      if (!isInside) return;
      isInside = false;
      this.#inside--;
      this.#letIn();
    };
    const timer = this.#env.scheduler.after(INSIDE_MS, leave);
    return new Stay(timer, (outcome) => {
      this.#note(outcome);
      leave();
    });
  }

  #letIn(): void {
    while (this.#inside < this.#limit) {
      const letIn = this.#queue.shift();
      if (letIn === undefined) return;
      letIn();
    }
  }

  #note(outcome: Outcome): void {
    if (outcome === 'abandoned') return;
    this.#ended++;
    if (outcome === 'lost') this.#lost++;
    if (this.#ended < WINDOW) return;
    if (this.#lost > LOST_MANY) this.#limit = Math.max(1, Math.floor(this.#limit * 0.75));
    else if (this.#lost < LOST_FEW && this.#hasWaited) {
      this.#limit = Math.min(this.#limit + 1, LIMIT_MAX);
    }
    this.#ended = 0;
    this.#lost = 0;
    this.#hasWaited = false;
  }
}

/** How a transaction ended: `lost` with a conflict or a deadlock, `abandoned` in any way that says nothing of others. */
export type Outcome = 'committed' | 'lost' | 'abandoned';

/** A transaction that was let in. */
export class Stay {
  readonly #timer: Timer;
  readonly #onEnd: (outcome: Outcome) => void;

  constructor(timer: Timer, onEnd: (outcome: Outcome) => void) {
    this.#timer = timer;
    this.#onEnd = onEnd;
  }

  /** Once. */
  end(outcome: Outcome): void {
    this.#timer.cancel();
    this.#onEnd(outcome);
  }
}
