/**
 * One writer at a time, first come, first served. After a step has failed every later one rejects with the same
 * error: what the failed step left half done must not be built upon. A free lock starts the step in the same turn.
 */
export class WriterLock {
  #queue: (() => void)[] = [];
  #isHeld = false;
  #failure: { readonly error: unknown } | undefined;

  /** Somebody stands in the queue. */
  get isAwaited(): boolean {
    return this.#queue.length > 0;
  }

  async run<T>(step: () => Promise<T>): Promise<T> {
    if (this.#isHeld) await new Promise<void>((resolve) => this.#queue.push(resolve));
    else this.#isHeld = true;
    try {
      if (this.#failure !== undefined) throw this.#failure.error;
      return await step();
    } catch (error) {
      this.#failure ??= { error };
      throw error;
    } finally {
      // The lock passes on without ever being free, so nobody overtakes who waited.
      const next = this.#queue.shift();
      if (next === undefined) this.#isHeld = false;
      else next();
    }
  }
}
