/**
 * Statements on one row whose key the statement says: most of what an application sends. They run as plain calls, row
 * in and row out, without operators, batches and generators, and make a promise only where something waits.
 *
 * They do what the operators would: the same locks, reads, checks and errors, in the same order. What cannot be done
 * so has no point plan: subqueries, functions that wait (nextval), RETURNING, keys and entries that move.
 */
import type { MaybePromise } from '../../src/base/maybe-promise.ts';
import { thenMaybe } from '../../src/base/maybe-promise.ts';
import type { Key } from '../../src/base/span.ts';
import type { LockTarget } from '../algebra/rel.ts';
import { internalError } from '../errors/sql-error.ts';
import { decodeRow, lockFailure } from '../exec/operators/scan-operators.ts';
import type { ScanSpec } from '../exec/operators/scan-operators.ts';
import type { TableWriter } from '../exec/table-writer.ts';
import type { Datum, Row } from '../types/datum.ts';
import type { CompiledAccess } from './compile-access.ts';
import type { ConflictWork, InsertWork, TargetSlots, UpdateWork } from './change-rows.ts';
import { assigned } from './change-rows.ts';
import type { Compiled, Frame } from './frame.ts';
import { NO_ROW, lockOptionsOf, txnOf } from './frame.ts';

/** The row, if there is one. Throws what reading and evaluating throws. */
export type PointSource = (frame: Frame) => MaybePromise<Datum[] | undefined>;

/** How many rows were changed: 0 or 1. */
export type PointChange = (frame: Frame) => MaybePromise<number>;

export interface PointScan {
  /** At most one key, of the clustered index. */
  readonly access: CompiledAccess;
  readonly predicate: Compiled | undefined;
  readonly spec: ScanSpec;
  /** The row is locked before it is read. */
  readonly lock: LockTarget | undefined;
}

export function pointScan({ access, predicate, spec, lock }: PointScan): PointSource {
  const { fence, table } = spec.codec;
  const rowOf = (key: Key, value: Uint8Array | undefined, frame: Frame): Datum[] | undefined => {
    if (value === undefined) return undefined;
    const row = decodeRow(spec, { key, value });
    return predicate === undefined || predicate(row, frame) === true ? row : undefined;
  };
  if (lock === undefined) {
    return (frame) => {
      const key = keyOf(access, frame);
      if (key === undefined) return undefined;
      const { txn, kv, signal } = frame.execution;
      const value = txn === undefined ? kv.latestGet(key, fence, signal) : txn.get(key, fence);
      return thenMaybe(value, (found) => rowOf(key, found, frame));
    };
  }
  const fail = (error: unknown): never => {
    throw lockFailure(error, table);
  };
  return (frame) => {
    const key = keyOf(access, frame);
    if (key === undefined) return undefined;
    const locked = lockOne(frame, key, spec, lock, fail);
    return thenMaybe(locked, ([row]) =>
      row?.isGranted === true ? rowOf(key, row.value, frame) : undefined,
    );
  };
}

function lockOne(
  frame: Frame,
  key: Key,
  { codec }: ScanSpec,
  lock: LockTarget,
  fail: (error: unknown) => never,
): ReturnType<ReturnType<typeof txnOf>['lock']> {
  try {
    const locked = txnOf(frame).lock([key], codec.fence, lockOptionsOf(lock, frame));
    return locked instanceof Promise ? locked.catch(fail) : locked;
  } catch (error) {
    return fail(error);
  }
}

function keyOf(access: CompiledAccess, frame: Frame): Key | undefined {
  frame.execution.signal.throwIfAborted();
  const found = access(frame);
  if (found.kind === 'points' && found.keys.length <= 1) return found.keys[0];
  throw internalError('a point that is none');
}

/** The row as other expressions see it. */
export function pointProject(source: PointSource, items: readonly Compiled[]): PointSource {
  return (frame) =>
    thenMaybe(source(frame), (row) => {
      if (row === undefined) return undefined;
      const out: Datum[] = [];
      for (const item of items) out.push(item(row, frame));
      return out;
    });
}

/** One row of values. */
export function pointValues(values: readonly Compiled[]): PointSource {
  return (frame) => values.map((value) => value(NO_ROW, frame));
}

type WriterOf = (frame: Frame) => TableWriter;

/** The key stays, and so do the entries of all indexes. */
export function pointUpdate(
  source: PointSource,
  { target, set }: UpdateWork,
  writerOf: WriterOf,
): PointChange {
  return (frame) =>
    thenMaybe(source(frame), (row) => {
      if (row === undefined) return 0;
      const after = assigned(tableRow(row, target), set, row, frame);
      return thenMaybe(writerOf(frame).replace(row[target.key] as Key, after), one);
    });
}

export function pointDelete(
  source: PointSource,
  target: TargetSlots,
  writerOf: WriterOf,
): PointChange {
  return (frame) =>
    thenMaybe(source(frame), (row) => {
      if (row === undefined) return 0;
      const key = row[target.key] as Key;
      return thenMaybe(writerOf(frame).remove(key, tableRow(row, target)), one);
    });
}

export function pointInsert(
  source: PointSource,
  { values }: InsertWork,
  writerOf: WriterOf,
): PointChange {
  return (frame) =>
    thenMaybe(source(frame), (given) => {
      if (given === undefined) return 0;
      return thenMaybe(writerOf(frame).insertOne(valuesOf(values, given, frame)), one);
    });
}

/** The primary key is the only thing to collide with, and stays as it is. */
export function pointUpsert(
  source: PointSource,
  { values }: InsertWork,
  { update }: ConflictWork,
  writerOf: WriterOf,
): PointChange {
  return (frame) =>
    thenMaybe(source(frame), (given) => {
      if (given === undefined) return 0;
      const row = valuesOf(values, given, frame);
      const writer = writerOf(frame);
      return thenMaybe(writer.insertUnless(row), (there) => {
        if (there === undefined) return 1;
        if (update === undefined) return 0;
        const before = writer.codec.readRow(there);
        const both = [...before, ...row];
        const { where } = update;
        if (where !== undefined && where(both, frame) !== true) return 0;
        const after = assigned(before, update.set, both, frame);
        return thenMaybe(writer.replace(there.key, after), one);
      });
    });
}

function valuesOf(values: InsertWork['values'], given: Row, frame: Frame): Datum[] {
  const row: Datum[] = [];
  for (const value of values) {
    row.push(value === undefined ? frame.execution.kv.uniqueInt() : value(given, frame));
  }
  return row;
}

const one = (): number => 1;

function tableRow(row: Row, { columns }: TargetSlots): Datum[] {
  const out: Datum[] = [];
  for (const slot of columns) out.push(row[slot] ?? null);
  return out;
}
