/**
 * Code that may have to wait, written as generators: `const rows = yield* wait(cursor.next())`. What does not wait goes
 * straight on, so that a statement whose reads are answered at once completes in the turn in which it was asked,
 * without a single promise; `async` functions cannot do that. Only promises are ever yielded, and only by `wait`.
 */
import type { MaybePromise } from './maybe-promise.ts';

export type Steps<T> = Generator<Promise<unknown>, T, unknown>;

/** The value, after waiting for it if need be. */
export function* wait<T>(value: MaybePromise<T>): Steps<T> {
  if (value instanceof Promise) return (yield value) as T;
  return value;
}

/** Runs to the end: a value if nothing had to wait, else a promise. Throws or rejects with what the code throws. */
export function run<T>(steps: Steps<T>): MaybePromise<T> {
  const first = steps.next();
  return first.done === true ? first.value : runOn(steps, first.value);
}

async function runOn<T>(steps: Steps<T>, waiting: Promise<unknown>): Promise<T> {
  for (let next = waiting; ;) {
    let result: IteratorResult<Promise<unknown>, T>;
    try {
      const value = await next;
      result = steps.next(value);
    } catch (error) {
      // NB: an error of the generator itself comes here too; it is then finished, and `throw` raises it again.
      result = steps.throw(error);
    }
    if (result.done === true) return result.value;
    next = result.value;
  }
}
