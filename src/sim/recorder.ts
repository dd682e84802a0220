/** Keeps the history of a run: one for all workloads, so that what they do to each other is judged as well. */
import type { Operation, Transaction } from '../check/history.ts';
import { TransactionCollector } from '../check/history.ts';
import type { Outcome } from './client.ts';
import type { SimWorld } from './world.ts';

/** Times in a history are integers. */
const TICKS_PER_MS = 1000;

export class Recorder {
  readonly #world: SimWorld;
  readonly #collector = new TransactionCollector();
  #lastProcess = 0;
  #lastValue = 0;

  constructor(world: SimWorld) {
    this.#world = world;
  }

  get transactions(): readonly Transaction[] {
    return this.#collector.transactions;
  }

  /** A value that was never written. */
  value(): number {
    return ++this.#lastValue;
  }

  /** `plan` is what is asked; the work answers with what was seen. */
  async run(
    plan: readonly Operation[],
    work: () => Promise<Outcome<readonly Operation[]>>,
  ): Promise<void> {
    const process = ++this.#lastProcess;
    this.#add(process, 'invoke', plan);
    const outcome = await work();
    if (outcome.kind === 'ok') this.#add(process, 'ok', outcome.value);
    else this.#add(process, outcome.kind === 'fail' ? 'fail' : 'info', plan);
  }

  #add(process: number, type: 'invoke' | 'ok' | 'fail' | 'info', ops: readonly Operation[]): void {
    const time = Math.round(this.#world.nowMs * TICKS_PER_MS);
    this.#collector.add({ process, type, time, ops });
  }
}
