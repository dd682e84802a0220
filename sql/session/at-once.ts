/**
 * Changes on their own that are tried in one request to the leader of their range, before a transaction is made of them
 * (`KvClient.changeAtOnce`): the gateway's side, and how a statement looks to another node.
 *
 *   program    key of the plan, table and version, then each parameter: 0 for NULL, else its binary format
 *
 * A statement that could not be done so is not tried again for as many executions as it has failed before, doubling:
 * most fail for what they are, not for what happened.
 */
import type { MaybePromise } from '../../src/base/maybe-promise.ts';
import { ByteDecodeError, ByteReader, ByteWriter } from '../../src/base/bytes.ts';
import type { KvTxn, RowChange, TableFence } from '../../src/kv/kv-client.ts';
import { KvError, SchemaMismatch } from '../../src/kv/kv-errors.ts';
import { SqlError } from '../errors/sql-error.ts';
import type { Execution, Plan, PlannedChange } from '../plan/statement-planner.ts';
import { decodeBinary, encodeBinary } from '../types/binary-format.ts';
import type { Datum } from '../types/datum.ts';
import type { SqlType } from '../types/sql-type.ts';

const SKIPPED_MAX = 1024;
/** A longer text does not come often enough for its plan to be at hand at another node. */
const PLAN_KEY_MAX = 4096;

export class AtOnceHistory {
  readonly #misses = new WeakMap<Plan, { skip: number; next: number }>();

  isWorthTrying(plan: Plan): boolean {
    const missed = this.#misses.get(plan);
    if (missed === undefined || missed.skip === 0) return true;
    missed.skip--;
    return false;
  }

  note(plan: Plan, isDone: boolean): void {
    if (isDone) {
      this.#misses.delete(plan);
      return;
    }
    const missed = this.#misses.get(plan);
    // Of those that were tried at the same time only the first says something new.
    if (missed !== undefined && missed.skip > 0) return;
    const next = missed?.next ?? 1;
    this.#misses.set(plan, { skip: next, next: Math.min(2 * next, SKIPPED_MAX) });
  }
}

export interface AtOnceStatement {
  readonly plan: Plan;
  readonly change: PlannedChange;
  /** Of its plan, in the plan cache of whichever node; undefined: it is not to leave this session. */
  readonly planKey: string | undefined;
  readonly parameters: readonly Datum[];
  /** Its surroundings, but for the transaction. */
  readonly executionIn: (txn: KvTxn) => Execution;
  readonly lockTimeoutMs: number;
}

export function rowChangeOf(statement: AtOnceStatement): RowChange {
  const { plan, change, planKey, parameters, executionIn, lockTimeoutMs } = statement;
  return {
    table: change.table,
    lockTimeoutMs,
    run: (txn) => runAtOnce(change, () => executionIn(txn)),
    encode: () =>
      planKey === undefined || planKey.length > PLAN_KEY_MAX
        ? undefined
        : encodeProgram({ planKey, table: change.table, parameters }, plan.parameterTypes),
  };
}

/** True when it has changed its row; what it throws is found again, and said, by whoever runs it as a transaction. */
export function runAtOnce(
  change: PlannedChange,
  execution: () => Execution,
): MaybePromise<boolean> {
  try {
    const count = change.run(execution());
    return count instanceof Promise ? count.then(isOne, failed) : count === 1;
  } catch (error) {
    return failed(error);
  }
}

const isOne = (count: number): boolean => count === 1;

function failed(error: unknown): false {
  if (error instanceof SqlError || error instanceof KvError) return false;
  if (error instanceof SchemaMismatch || error instanceof ByteDecodeError) return false;
  throw error;
}

/* ---------- as bytes ---------- */

export interface Program {
  readonly planKey: string;
  /** What it was planned with. */
  readonly table: TableFence;
  readonly parameters: readonly Datum[];
}

function encodeProgram(program: Program, types: readonly SqlType[]): Uint8Array {
  const { planKey, table, parameters } = program;
  const out = new ByteWriter(256);
  out.text(planKey);
  out.varint(table.tableId);
  out.varint(table.version);
  out.varint(parameters.length);
  for (let i = 0; i < parameters.length; i++) {
    const datum = parameters[i] ?? null;
    const type = types[i];
    out.u8(datum === null || type === undefined ? 0 : 1);
    if (datum === null || type === undefined) continue;
    const start = out.beginSized();
    encodeBinary(type, datum, out);
    out.endSized(start);
  }
  return out.copy();
}

/** A program as far as it can be read before its plan is found. Throws `ByteDecodeError`. */
export class ReceivedProgram {
  readonly planKey: string;
  readonly table: TableFence;
  readonly #reader: ByteReader;

  constructor(bytes: Uint8Array) {
    const reader = new ByteReader(bytes);
    this.planKey = reader.text();
    this.table = { tableId: reader.varint(), version: reader.varint() };
    this.#reader = reader;
  }

  /** Throws `ByteDecodeError`, and `SqlError` for what is no value of its type. */
  parameters(types: readonly SqlType[]): Datum[] {
    const reader = this.#reader;
    if (reader.varint() !== types.length) throw new ByteDecodeError('parameters of another plan');
    const values: Datum[] = [];
    for (const type of types) {
      if (reader.u8() === 0) values.push(null);
      else {
        const value = reader.sized();
        values.push(decodeBinary(type, value.raw(value.remaining)));
      }
    }
    return values;
  }
}
