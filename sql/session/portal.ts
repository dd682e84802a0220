/**
 * A portal: a prepared statement with its parameters, and what is left of its rows when it stopped at a row limit.
 */
import type { Batch, Operator } from '../exec/operator.ts';
import type { Steps } from '../../src/base/steps.ts';
import { wait } from '../../src/base/steps.ts';
import type { Datum } from '../types/datum.ts';
import type { PreparedStatement } from './prepared-statement.ts';
import type { ResultSink } from './session-api.ts';
import type { Running } from '../plan/statement-planner.ts';

export class Portal {
  readonly name: string;
  readonly prepared: PreparedStatement;
  readonly parameters: readonly Datum[];
  /** Its message is being handled: it is not to be closed under it. */
  isRunning = false;
  rows: RowStream | undefined;
  /** All its rows have been given: executing it again gives none. */
  isDone = false;

  constructor(name: string, prepared: PreparedStatement, parameters: readonly Datum[]) {
    this.name = name;
    this.prepared = prepared;
    this.parameters = parameters;
  }

  /** As if it had never been executed: its transaction is run again. */
  restart(): void {
    this.close();
    this.isDone = false;
  }

  close(): void {
    this.rows?.close();
    this.rows = undefined;
  }
}

/** The rows of a running statement on their way to the client, as many as it asks for at a time. */
export class RowStream {
  readonly #running: Running;
  readonly #operator: Operator;
  #batch: Batch | undefined;
  #at = 0;
  #isEmpty = false;
  /** Rows given in answer to the last request. */
  count = 0;

  constructor(running: Running) {
    this.#running = running;
    this.#operator = running.rows;
  }

  /** Fetches the first batch, before anything is given. */
  *prefetch(): Steps<void> {
    this.#batch = yield* this.#operator.next();
    this.#isEmpty = this.#batch === undefined;
  }

  /** Gives up to `maxRows` rows (0: all); true when there are no more. */
  *send(sink: ResultSink, maxRows: number): Steps<boolean> {
    this.count = 0;
    if (this.#isEmpty) return true;
    for (let sent = 0; maxRows === 0 || sent < maxRows; sent++) {
      if (this.#batch === undefined || this.#at >= this.#batch.length) {
        this.#batch = yield* this.#operator.next();
        this.#at = 0;
        this.#isEmpty = this.#batch === undefined;
        if (this.#batch === undefined) return true;
      }
      const row = this.#batch[this.#at++] ?? [];
      this.count++;
      const waiting = sink.row(row);
      if (waiting instanceof Promise) yield* wait(waiting);
    }
    return false;
  }

  tag(): string {
    return this.#running.tag(this.count);
  }

  close(): void {
    this.#operator.close();
  }
}
