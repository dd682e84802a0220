/**
 * Which values a register may hold, given what clients wrote and when: the heart of the checks that find a lost or
 * undone write. A write that was acknowledged before another acknowledged one began has been overwritten by it; every
 * other write may be the last one. Writes of unknown outcome may take effect at any time after they began.
 *
 * All clients live in one event loop, so the order in which calls reach this object is an order in real time.
 */
export class LastWrites {
  /** By key: writes that may be the last, by their value. A key that is absent has its first value. */
  readonly #candidates = new Map<string, Map<string, Write>>();
  #time = 0;

  /** Before the write is sent. Values of a key are never used twice. */
  begin(key: string, value: string): Write {
    const write: Write = { key, value, began: ++this.#time, ended: Infinity };
    this.#of(key).set(value, write);
    return write;
  }

  acknowledged(write: Write): void {
    write.ended = ++this.#time;
    const candidates = this.#of(write.key);
    for (const [value, other] of candidates) {
      if (other.ended < write.began) candidates.delete(value);
    }
  }

  /** It certainly had no effect. One of unknown outcome is simply never ended. */
  failed(write: Write): void {
    this.#of(write.key).delete(write.value);
  }

  mayHold(key: string, value: string): boolean {
    return this.#candidates.get(key)?.has(value) ?? value === FIRST;
  }

  /** For messages. */
  describe(key: string): string {
    return [...(this.#candidates.get(key)?.keys() ?? [FIRST])].join(' or ');
  }

  /** Forgets everything: the table was filled anew. */
  clear(): void {
    this.#candidates.clear();
  }

  #of(key: string): Map<string, Write> {
    let found = this.#candidates.get(key);
    if (found === undefined) {
      const first: Write = { key, value: FIRST, began: 0, ended: 0 };
      found = new Map([[FIRST, first]]);
      this.#candidates.set(key, found);
    }
    return found;
  }
}

/** The value that loading gives every register. */
export const FIRST = '0';

export interface Write {
  readonly key: string;
  readonly value: string;
  readonly began: number;
  /** Infinity until it is acknowledged. */
  ended: number;
}
