/**
 * Histories: what clients asked of a database and what they were answered, a JSON object per line.
 *
 *   {"process": 3, "type": "invoke", "time": 1200, "ops": [["append", "x", 7], ["r", "x", null]]}
 *   {"process": 3, "type": "ok",     "time": 1850, "ops": [["append", "x", 7], ["r", "x", [1, 7]]]}
 *
 * A process has one transaction open at a time; `ok` says that it has committed, `fail` that it has not and never
 * will, `info` that nobody knows (the process takes a new number or goes on all the same). Times are integers of any
 * unit on one clock, read by the client before it asked and after it was answered. Operations: `append` to a list, `w` to
 * a register, `r` of either; the value of a read is null in `invoke`, and for an empty list or register. What is
 * written to a key is written to it once, and a key is always a list or always a register.
 */
import { QuorateError } from '../base/errors.ts';

export type Scalar = string | number;
export type Operation =
  | readonly ['append' | 'w', string, Scalar]
  | readonly ['r', string, readonly Scalar[] | Scalar | null];

export interface HistoryEvent {
  readonly process: number;
  readonly type: 'invoke' | 'ok' | 'fail' | 'info';
  readonly time: number;
  readonly ops: readonly Operation[];
}

export class HistoryError extends QuorateError<'history'> {
  override readonly name = 'HistoryError';

  constructor(message: string) {
    super('history', message);
  }
}

/** A transaction as its client saw it. */
export interface Transaction {
  /** Its place in the order of invocations, from 0. */
  readonly id: number;
  readonly process: number;
  readonly invokedAt: number;
  /** Infinity when nobody knows when it took effect, if it did. */
  completedAt: number;
  outcome: 'ok' | 'fail' | 'info';
  ops: readonly Operation[];
}

const TYPES = new Set(['invoke', 'ok', 'fail', 'info']);

/** One line of a history; throws `HistoryError`. */
export function parseEvent(line: string, lineNumber: number): HistoryEvent {
  const bad = (why: string): HistoryError => new HistoryError(`line ${lineNumber}: ${why}`);
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    throw bad('not JSON');
  }
  const event = value as Partial<HistoryEvent> | null;
  if (typeof event !== 'object' || event === null) throw bad('not an object');
  if (!Number.isSafeInteger(event.process)) throw bad('"process" is not an integer');
  if (!TYPES.has(event.type ?? '')) throw bad('"type" is not invoke, ok, fail or info');
  if (!Number.isSafeInteger(event.time)) throw bad('"time" is not an integer');
  if (!Array.isArray(event.ops)) throw bad('"ops" is not an array');
  for (const op of event.ops as readonly unknown[]) {
    if (!isOperation(op)) throw bad(`not an operation: ${JSON.stringify(op)}`);
  }
  return event as HistoryEvent;
}

function isOperation(op: unknown): op is Operation {
  if (!Array.isArray(op) || op.length !== 3 || typeof op[1] !== 'string') return false;
  const [kind, , value] = op as readonly unknown[];
  if (kind === 'append' || kind === 'w') return isScalar(value);
  return kind === 'r' && (value === null || isScalar(value) || isScalars(value));
}

const isScalar = (value: unknown): boolean =>
  typeof value === 'string' || typeof value === 'number';
const isScalars = (value: unknown): boolean => Array.isArray(value) && value.every(isScalar);

/** Puts invocations and completions together. */
export class TransactionCollector {
  readonly transactions: Transaction[] = [];
  readonly #open = new Map<number, Transaction>();

  add(event: HistoryEvent): void {
    const { process, type, time, ops } = event;
    const open = this.#open.get(process);
    if (type === 'invoke') {
      if (open !== undefined) {
        throw new HistoryError(`process ${process} invokes a second transaction at ${time}`);
      }
      const id = this.transactions.length;
      const txn: Transaction = {
        ...{ id, process, invokedAt: time, completedAt: Infinity, outcome: 'info', ops },
      };
      this.transactions.push(txn);
      this.#open.set(process, txn);
      return;
    }
    if (open === undefined) {
      throw new HistoryError(`process ${process} completes at ${time} what it has not invoked`);
    }
    if (time < open.invokedAt) {
      throw new HistoryError(`process ${process} completes at ${time}, before it invoked`);
    }
    this.#open.delete(process);
    open.outcome = type;
    if (type === 'ok') {
      open.completedAt = time;
      open.ops = ops;
    }
  }
}
