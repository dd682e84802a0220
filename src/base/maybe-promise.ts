/**
 * A value now, or a promise of it. The hot paths (a read at a local leader) answer in the turn in which they were
 * asked; only what really waits pays for a promise. Callers: `const v = isPromise(r) ? await r : r`.
 */
export type MaybePromise<T> = T | Promise<T>;

export function isPromise<T>(value: T): value is T & Promise<Awaited<T>> {
  return value instanceof Promise;
}

export function thenMaybe<T, U>(
  value: MaybePromise<T>,
  next: (value: T) => MaybePromise<U>,
): MaybePromise<U> {
  return value instanceof Promise ? value.then(next) : next(value);
}
