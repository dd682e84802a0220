/**
 * Expressions are evaluated synchronously, but some functions need what has to be fetched first: numbers of a
 * sequence. Such a function throws an `EvaluationWait`; whoever evaluates (`evaluating`) fetches and evaluates again.
 * So an evaluation may run twice: what it changes outside itself it must not change before it has all it needs.
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

/** Waits that one evaluation may ask for: a few per function call in it. */
const WAITS_MAX = 10000;

export function* evaluating<T>(evaluate: () => T): Steps<T> {
  for (let waits = 0; ; waits++) {
    try {
      return evaluate();
    } catch (error) {
      if (!(error instanceof EvaluationWait) || waits >= WAITS_MAX) throw error;
      yield* error.resolve();
    }
  }
}
