/**
 * The contract of operators: pulled, a batch of rows at a time. A batch is never empty, and belongs to the caller;
 * undefined is the end, after which `next` is not called again. `close` ends early or after the end; it is idempotent
 * and never throws. Between batches an operator that has done much work gives way to others (`ExecPorts.pause`) and
 * looks for cancellation.
 */
import type { MaybePromise } from '../../src/base/maybe-promise.ts';
import type { Datum, Row } from '../types/datum.ts';
import type { Steps } from '../../src/base/steps.ts';
import { wait } from '../../src/base/steps.ts';

export type Batch = Row[];

export interface Operator {
  next(): Steps<Batch | undefined>;
  close(): void;
}

export type Evaluate = (row: Row) => Datum;
/** NULL counts as false. */
export type Predicate = (row: Row) => boolean;

export const BATCH_ROWS = 1000;

/** What execution needs of its surroundings. */
export interface ExecPorts {
  readonly signal: AbortSignal;
  /** Bytes that one operator may hold. */
  readonly workMemBytes: number;
  /** Lets the event loop turn; a promise when it should. */
  pause(): MaybePromise<void>;
}

const PAUSE_ROWS = 5000;

/** Counts the rows an operator has handled since it last gave way. */
export class Breather {
  readonly #ports: ExecPorts;
  #rows = 0;

  constructor(ports: ExecPorts) {
    this.#ports = ports;
  }

  *after(rows: number): Steps<void> {
    this.#ports.signal.throwIfAborted();
    this.#rows += rows;
    if (this.#rows < PAUSE_ROWS) return;
    this.#rows = 0;
    yield* wait(this.#ports.pause());
    this.#ports.signal.throwIfAborted();
  }
}

/** All rows of an operator, which is closed. For results that are known to be small, or counted by the caller. */
export function* drain(operator: Operator): Steps<Row[]> {
  const rows: Row[] = [];
  try {
    for (let batch = yield* operator.next(); batch !== undefined; batch = yield* operator.next()) {
      for (const row of batch) rows.push(row);
    }
  } finally {
    operator.close();
  }
  return rows;
}
