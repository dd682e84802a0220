/**
 * Expressions are evaluated synchronously, but some functions need what has to be fetched first: numbers of a
 * sequence. Such a function throws an `EvaluationWait`; whoever evaluates (`evaluating`) fetches and evaluates again.
 * So an evaluation may run several times; what it has done outside itself is recorded, and not done again.
 */
import type { Steps } from '../../src/base/steps.ts';

export class EvaluationWait extends Error {
  override readonly name = 'EvaluationWait';
  readonly resolve: () => Steps<void>;

  constructor(resolve: () => Steps<void>) {
    super('an evaluation has to wait');
    this.resolve = resolve;
  }
}

/** What one evaluation has done outside itself, in order: numbers taken, sequences set. */
export class EvaluationRecord {
  readonly #done: { readonly action: string; readonly result: bigint }[] = [];
  #at = 0;

  /** The evaluation runs again from its start. */
  rewind(): void {
    this.#at = 0;
  }

  /** The result of an action that an earlier run has done at this point. */
  replay(action: string): bigint | undefined {
    const done = this.#done[this.#at];
    if (done?.action !== action) return undefined;
    this.#at++;
    return done.result;
  }

  add(action: string, result: bigint): void {
    // A run that took another way has no use for the rest.
    this.#done.length = this.#at++;
    this.#done.push({ action, result });
  }
}

/** Evaluations are synchronous, so at any moment there is at most one. */
let running: EvaluationRecord | undefined;

export function evaluationRecord(): EvaluationRecord | undefined {
  return running;
}

/** Waits that one evaluation may ask for: a few per function call in it. */
const WAITS_MAX = 10000;

export function* evaluating<T>(evaluate: () => T): Steps<T> {
  let record: EvaluationRecord | undefined;
  for (let waits = 0; ; waits++) {
    try {
      running = record ??= new EvaluationRecord();
      return evaluate();
    } catch (error) {
      if (!(error instanceof EvaluationWait) || waits >= WAITS_MAX) throw error;
      running = undefined;
      yield* error.resolve();
      record?.rewind();
    } finally {
      running = undefined;
    }
  }
}
