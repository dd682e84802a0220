/** Scans: a table, the conditions on it, and the access path that serves them best. */
import type { Key } from '../../src/base/span.ts';
import type { Steps } from '../../src/base/steps.ts';
import type { ColumnId, Scalar } from '../algebra/scalar.ts';
import type { LockTarget, ScanRel } from '../algebra/rel.ts';
import { columnsIn, mayWait } from '../algebra/walk.ts';
import { and } from '../binder/predicates.ts';
import { internalError } from '../errors/sql-error.ts';
import type { Operator } from '../exec/operator.ts';
import { decodePoints, fetchPoints } from '../exec/operators/point-lookups.ts';
import { FilterOperator } from '../exec/operators/row-operators.ts';
import {
  LatestSource,
  LockedPointsOperator,
  ScanOperator,
} from '../exec/operators/scan-operators.ts';
import type { ScanSpec } from '../exec/operators/scan-operators.ts';
import { codecOf } from '../exec/table-codec.ts';
import { split } from '../optimize/push-filters.ts';
import type { Row } from '../types/datum.ts';
import type { AccessPath, OrderWish } from './access-path.ts';
import { chooseAccess } from './access-path.ts';
import type { Access, CompiledAccess } from './compile-access.ts';
import { compileAccess } from './compile-access.ts';
import type { Compiled, Frame } from './frame.ts';
import { lockOptionsOf, txnOf } from './frame.ts';
import type { PlanNode, RowEnv } from './plan-node.ts';
import { pointScan } from './point-plan.ts';
import { predicateIn } from './plan-node.ts';
import { showScalar, showSortKey } from './show-scalar.ts';

export interface ScanNeeds {
  readonly columns: ReadonlySet<ColumnId>;
  readonly order: OrderWish | undefined;
  /** Rows wanted, Infinity for all. */
  readonly limit: number;
  /** If the rows are points of the clustered index, they are locked before they are read. */
  readonly lock: LockTarget | undefined;
}

/** A scan, and what the rest of the planner asks about it. */
export interface ScanNode extends PlanNode {
  readonly path: AccessPath;
  /** One key, or one span, of the clustered index: what a latest read can answer. */
  readonly isSingleRequest: boolean;
}

/** Below this, a row less or more makes no plan better. */
const FILTER_FRACTION = 0.3;

export function buildScan(
  scan: ScanRel,
  conjuncts: readonly Scalar[],
  needs: ScanNeeds,
  makeEnv: (columns: readonly ColumnId[]) => RowEnv,
): ScanNode {
  const { lock } = needs;
  const path = chooseAccess(scan, conjuncts, needs.order);
  const rest = conjuncts.filter((conjunct) => !path.covered.has(conjunct));
  const { yes: waiting, no: plain } = split(rest, mayWait);
  const withKey = needs.columns.has(scan.keyColumn.id);
  const columns = scan.columns.map((column) => column.id);
  if (withKey) columns.push(scan.keyColumn.id);
  const env = makeEnv(columns);
  const isRowWise = lock !== undefined && path.isPoint && path.isPrimary;
  const compiled: CompiledScan = {
    access: compileAccess(scan.table, path, env),
    predicate: plain.length === 0 ? undefined : env.compile(and(plain)),
    waiting: waiting.length === 0 ? undefined : env.compile(and(waiting)),
    spec: specOf(scan, path, wantedOrdinals(scan, needs.columns, rest), withKey),
    limit: rest.length === 0 ? needs.limit : Infinity,
    lock: isRowWise ? lock : undefined,
  };
  const combinations = path.equal.reduce((n, part) => n * part.values.length, 1);
  const isPoint = path.isPoint && path.isPrimary && combinations === 1 && waiting.length === 0;
  const isWaiting = [...path.covered].some(mayWait);
  const isPlain = isPoint && !isWaiting;
  const isBatched = path.isPoint && waiting.length === 0 && !isRowWise && !isWaiting;
  return {
    ...{ columns, path, isOrdered: path.isOrdered, children: [] },
    point: isPlain ? pointScan(compiled) : undefined,
    lookUps: isBatched ? (frames) => lookUpPoints(compiled, frames) : undefined,
    rows: Math.max(1, path.rows * FILTER_FRACTION ** rest.length),
    isSingleRequest: path.isPrimary && combinations === 1 && lock === undefined,
    title: titleOf(scan, path, isRowWise),
    details: detailsOf(scan, path, { rest, needs }),
    open: (frame) => openScan(compiled, frame),
  };
}

interface CompiledScan {
  readonly access: CompiledAccess;
  readonly predicate: Compiled | undefined;
  /** What has to wait for something: checked behind the scan. */
  readonly waiting: Compiled | undefined;
  readonly spec: ScanSpec;
  readonly limit: number;
  readonly lock: LockTarget | undefined;
}

function openScan(scan: CompiledScan, frame: Frame): Operator {
  const { execution } = frame;
  const { spec, limit, lock } = scan;
  const access = (): Access => scan.access(frame);
  const predicate = scan.predicate === undefined ? undefined : predicateIn(scan.predicate, frame);
  let operator: Operator;
  if (lock === undefined) {
    const source = execution.txn ?? new LatestSource(execution.kv, execution.signal);
    operator = new ScanOperator(spec, { access, predicate, source, limit }, execution);
  } else {
    const locking = { txn: txnOf(frame), lock: lockOptionsOf(lock, frame) };
    operator = new LockedPointsOperator(spec, { access, predicate }, locking);
  }
  if (scan.waiting === undefined) return operator;
  return new FilterOperator(operator, predicateIn(scan.waiting, frame), execution);
}

/** As many keys are fetched together, but for those of one frame. */
const LOOKUP_KEYS_MAX = 256;

function* lookUpPoints(
  { access, spec, predicate }: CompiledScan,
  frames: readonly Frame[],
): Steps<readonly (() => readonly Row[])[]> {
  const keys: (readonly Key[])[] = [];
  let count = 0;
  for (const frame of frames) {
    if (count >= LOOKUP_KEYS_MAX) break;
    const found = access(frame);
    if (found.kind !== 'points') throw internalError('a point that is none');
    keys.push(found.keys);
    count += found.keys.length;
  }
  const [first] = frames;
  if (first === undefined) return [];
  const fetched = yield* fetchPoints(spec, txnOf(first), keys);
  return fetched.map((rows, i) => {
    const frame = frames[i] ?? first;
    return () => decodePoints(spec, rows, predicate && predicateIn(predicate, frame));
  });
}

function specOf(
  scan: ScanRel,
  path: AccessPath,
  ordinals: readonly number[],
  withKey: boolean,
): ScanSpec {
  const codec = codecOf(scan.table);
  const isAll = ordinals.length === scan.columns.length;
  return {
    ...{ codec, withKey, isPrimary: path.isPrimary, isReverse: path.isReverse },
    read: isAll ? codec.readRow : codec.readerOf(ordinals),
  };
}

function wantedOrdinals(
  scan: ScanRel,
  wanted: ReadonlySet<ColumnId>,
  conjuncts: readonly Scalar[],
): number[] {
  const ids = new Set(wanted);
  for (const conjunct of conjuncts) columnsIn(conjunct, ids);
  return scan.columns.flatMap((column, ordinal) => (ids.has(column.id) ? [ordinal] : []));
}

// -- EXPLAIN --------------------------------------------------------------------------------------------------------

function titleOf(scan: ScanRel, path: AccessPath, isLocked: boolean): string {
  const { table, alias } = scan;
  const shown = alias === table.name ? table.name : `${table.name} ${alias}`;
  const direction = path.isReverse ? ' backward' : '';
  const isWhole = path.equal.length === 0 && path.low === undefined && path.high === undefined;
  if (path.isPoint) {
    return `${isLocked ? 'Locked ' : ''}Point Read on ${shown} using ${path.index.name}`;
  }
  if (path.isPrimary && isWhole) return `Scan${direction} on ${shown}`;
  const name = path.isPrimary && !table.hasPrimaryKey ? 'row id' : path.index.name;
  return `${path.isPrimary ? 'Range Scan' : 'Index Scan'}${direction} on ${shown} using ${name}`;
}

function detailsOf(
  scan: ScanRel,
  path: AccessPath,
  { rest, needs }: { readonly rest: readonly Scalar[]; readonly needs: ScanNeeds },
): string[] {
  const details: string[] = [];
  const keys = [...path.covered].map(showScalar);
  if (keys.length > 0) details.push(`Index Cond: ${keys.join(' AND ')}`);
  if (rest.length > 0) details.push(`Filter: ${rest.map(showScalar).join(' AND ')}`);
  if (path.isOrdered && needs.order !== undefined && needs.order.keys.length > 0) {
    details.push(`Order: ${needs.order.keys.map(showSortKey).join(', ')}`);
  }
  if (!scan.table.hasPrimaryKey && path.isPrimary && keys.length > 0) details.push('By row id');
  return details;
}
