/**
 * Says that nobody waits for something any more. What `AbortSignal` is to the outside, for code that makes one for every
 * request: that costs several microseconds, mostly for events and exceptions that nobody looks at.
 */
export class Cancellation {
  #isCancelled = false;
  /** Made with the first: most have none. */
  #listeners: (() => void)[] | undefined;

  get isCancelled(): boolean {
    return this.#isCancelled;
  }

  /** Calls the listeners, once. */
  cancel(): void {
    if (this.#isCancelled) return;
    this.#isCancelled = true;
    const listeners = this.#listeners;
    this.#listeners = undefined;
    for (const listener of listeners ?? []) listener();
  }

  /** Not called if it has been cancelled before: look at `isCancelled`. */
  onCancel(listener: () => void): void {
    if (this.#listeners === undefined) this.#listeners = [listener];
    else this.#listeners.push(listener);
  }

  offCancel(listener: () => void): void {
    const listeners = this.#listeners;
    if (listeners === undefined) return;
    const at = listeners.indexOf(listener);
    if (at === listeners.length - 1) listeners.pop();
    else if (at >= 0) listeners.splice(at, 1);
  }
}

const known = new WeakMap<AbortSignal, Cancellation>();

/** The same for a signal, made once for each: signals live long. */
export function cancellationOf(signal: AbortSignal): Cancellation {
  const before = known.get(signal);
  if (before !== undefined) return before;
  const cancellation = new Cancellation();
  known.set(signal, cancellation);
  if (signal.aborted) cancellation.cancel();
  else signal.addEventListener('abort', () => cancellation.cancel(), { once: true });
  return cancellation;
}
