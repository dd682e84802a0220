/** Plans of INSERT, UPDATE and DELETE: sources, values and constraints compiled once, run by change-rows.ts. */
import { must } from '../../src/base/assert.ts';
import type { Steps } from '../../src/base/steps.ts';
import type {
  Assignment,
  Change,
  ConflictRule,
  DeleteChange,
  InsertChange,
  UpdateChange,
} from '../algebra/change.ts';
import type { ColumnId } from '../algebra/scalar.ts';
import type { Rel, ScanRel } from '../algebra/rel.ts';
import { outputIds } from '../algebra/rel.ts';
import { columnsIn, mayWait, relsIn } from '../algebra/walk.ts';
import type { TableDescriptor } from '../catalog/descriptors.ts';
import type { Batch, Operator } from '../exec/operator.ts';
import { codecOf } from '../exec/table-codec.ts';
import type { CompiledCheck } from '../exec/table-writer.ts';
import { TableWriter } from '../exec/table-writer.ts';
import type { Row } from '../types/datum.ts';
import type {
  Changed,
  ConflictWork,
  DeleteWork,
  InsertWork,
  SetWork,
  TargetSlots,
  UpdateWork,
} from './change-rows.ts';
import { deleteRows, insertRows, updateRows } from './change-rows.ts';
import type { Compiled, Frame } from './frame.ts';
import { txnOf } from './frame.ts';
import type { PlanBuilder } from './plan-builder.ts';
import type { PlanNode, RowEnv } from './plan-node.ts';
import type { PointChange } from './point-plan.ts';
import { pointDelete, pointInsert, pointUpdate, pointUpsert } from './point-plan.ts';

/** A check constraint over a table's rows. */
export interface TableCheck {
  readonly name: string;
  readonly condition: Compiled;
}

/** A change, ready to run. */
export interface ChangeNode {
  readonly source: PlanNode;
  readonly title: string;
  readonly details: readonly string[];
  run(frame: Frame): Steps<Changed>;
  /** The same for what changes at most one row, as a plain call. */
  readonly point: PointChange | undefined;
}

export function buildChange(
  builder: PlanBuilder,
  change: Change,
  checks: readonly TableCheck[],
): ChangeNode {
  switch (change.kind) {
    case 'insert':
      return buildInsert(builder, change, checks);
    case 'update':
      return buildUpdate(builder, change, checks);
    case 'delete':
      return buildDelete(builder, change);
  }
}

function buildInsert(
  builder: PlanBuilder,
  change: InsertChange,
  checks: readonly TableCheck[],
): ChangeNode {
  const { table, returning } = change;
  const source = builder.build(change.source);
  const env = builder.env(source.columns);
  const rowEnv = builder.env(change.columns.map((column) => column.id));
  const work: InsertWork = {
    values: change.values.map((value) => (value === undefined ? undefined : env.compile(value))),
    conflict:
      change.onConflict === undefined
        ? undefined
        : compileConflict(builder, change, change.onConflict),
    returning: returning?.map((item) => rowEnv.compile(item.expr)),
    isSelfReading: [...relsIn(change.source)].some(
      (rel) => rel.kind === 'scan' && rel.table.id === table.id,
    ),
  };
  const writerOf = (frame: Frame): TableWriter => writerFor(table, checks, frame);
  return {
    ...{ source, title: `Insert on ${table.name}` },
    details: change.onConflict === undefined ? [] : ['On Conflict'],
    point: pointOfInsert(change, source, work, writerOf),
    run: (frame) => insertRows(source.open(frame), work, writerOf(frame), frame),
  };
}

function pointOfInsert(
  { table, values, returning, onConflict }: InsertChange,
  { point }: PlanNode,
  work: InsertWork,
  writerOf: (frame: Frame) => TableWriter,
): PointChange | undefined {
  const waits = values.some((value) => value !== undefined && mayWait(value));
  if (point === undefined || returning !== undefined || work.isSelfReading || waits) {
    return undefined;
  }
  if (onConflict === undefined || work.conflict === undefined) {
    return pointInsert(point, work, writerOf);
  }
  const { arbiters, update } = onConflict;
  const isByKey = arbiters === undefined || arbiters.has(table.primary.id);
  const hasOthers = table.indexes.some((index) => index.isUnique);
  if (!table.hasPrimaryKey || !isByKey || hasOthers) return undefined;
  if (update !== undefined) {
    const scalars = update.set.map(({ expr }) => expr);
    if (update.where !== undefined) scalars.push(update.where);
    if (scalars.some(mayWait) || movesEntries(table, update.set)) return undefined;
  }
  return pointUpsert(point, work, work.conflict, writerOf);
}

function compileConflict(
  builder: PlanBuilder,
  change: InsertChange,
  { arbiters, update }: ConflictRule,
): ConflictWork {
  if (update === undefined) return { arbiters, update: undefined };
  const columns = [...change.columns, ...update.excluded].map((column) => column.id);
  const env = builder.env(columns);
  return {
    arbiters,
    update: {
      set: compileSet(update.set, env),
      where: update.where === undefined ? undefined : env.compile(update.where),
    },
  };
}

function compileSet(set: readonly Assignment[], env: RowEnv): SetWork[] {
  return set.map(({ ordinal, expr }) => ({ ordinal, value: env.compile(expr) }));
}

function buildUpdate(
  builder: PlanBuilder,
  change: UpdateChange,
  checks: readonly TableCheck[],
): ChangeNode {
  const { scan, returning } = change;
  // An update writes whole rows.
  const needed = new Set(scan.columns.map((column) => column.id));
  for (const { expr } of change.set) columnsIn(expr, needed);
  const { source, env, target } = locatedSource(builder, change, needed);
  const work: UpdateWork = {
    ...{ target, set: compileSet(change.set, env) },
    returning: returning?.map((item) => env.compile(item.expr)),
  };
  const writerOf = (frame: Frame): TableWriter => writerFor(scan.table, checks, frame);
  const isPlain = returning === undefined && !change.set.some(({ expr }) => mayWait(expr));
  return {
    ...{ source, details: [], title: `Update on ${scan.table.name}` },
    point:
      isPlain && source.point !== undefined && !movesEntries(scan.table, change.set)
        ? pointUpdate(source.point, work, writerOf)
        : undefined,
    run: (frame) => updateRows(source.open(frame), work, writerOf(frame), frame),
  };
}

function buildDelete(builder: PlanBuilder, change: DeleteChange): ChangeNode {
  const { scan, returning } = change;
  // Index entries are made of the row that goes.
  const needed = new Set<ColumnId>();
  for (const index of scan.table.indexes) {
    for (const { columnId } of index.columns) {
      const ordinal = scan.table.columns.findIndex((column) => column.id === columnId);
      needed.add(must(scan.columns[ordinal]).id);
    }
  }
  const { source, env, target } = locatedSource(builder, change, needed);
  const work: DeleteWork = { target, returning: returning?.map((item) => env.compile(item.expr)) };
  const writerOf = (frame: Frame): TableWriter => writerFor(scan.table, [], frame);
  return {
    ...{ source, details: [], title: `Delete on ${scan.table.name}` },
    point:
      returning === undefined && source.point !== undefined
        ? pointDelete(source.point, target, writerOf)
        : undefined,
    run: (frame) => deleteRows(source.open(frame), work, writerOf(frame), frame),
  };
}

/** Whether an assignment may change a key, or what an index has of the row. */
function movesEntries(table: TableDescriptor, set: readonly Assignment[]): boolean {
  const { primaryOrdinals, indexes } = codecOf(table);
  return set.some(
    ({ ordinal }) =>
      primaryOrdinals.includes(ordinal) ||
      indexes.some((index) => index.ordinals.includes(ordinal)),
  );
}

/** The source with the columns a change needs, and where the table's row is in it. */
function locatedSource(
  builder: PlanBuilder,
  change: UpdateChange | DeleteChange,
  needed: Set<ColumnId>,
): { readonly source: PlanNode; readonly env: RowEnv; readonly target: TargetSlots } {
  needed.add(change.scan.keyColumn.id);
  const given = outputIds(change.source);
  for (const { expr } of change.returning ?? []) columnsIn(expr, needed);
  const wanted = new Set([...needed].filter((id) => given.has(id)));
  const source = builder.build(change.source, wanted);
  const env = builder.env(source.columns);
  return { source, env, target: targetSlots(change.scan, env) };
}

function targetSlots(scan: ScanRel, env: RowEnv): TargetSlots {
  return {
    columns: scan.columns.map((column) => env.slotOf(column.id) ?? -1),
    key: must(env.slotOf(scan.keyColumn.id)),
  };
}

const NO_CHECKS: readonly CompiledCheck[] = [];

function writerFor(
  table: TableDescriptor,
  checks: readonly TableCheck[],
  frame: Frame,
): TableWriter {
  const { execution } = frame;
  return new TableWriter(table, {
    txn: txnOf(frame),
    lock: execution.lock,
    format: execution.evalContext,
    checks:
      checks.length === 0
        ? NO_CHECKS
        : checks.map(({ name, condition }): CompiledCheck => {
            return { name, holds: (row: Row) => condition(row, frame) !== false };
          }),
  });
}

/** A relation's tables, for the plan's dependencies. */
export function tablesIn(rel: Rel): TableDescriptor[] {
  return [...relsIn(rel)].flatMap((part) => (part.kind === 'scan' ? [part.table] : []));
}

/** Rows that are there already, given in one piece. */
export class RowsOperator implements Operator {
  #rows: Batch | undefined;

  constructor(rows: readonly Row[]) {
    this.#rows = rows.length === 0 ? undefined : [...rows];
  }

  *next(): Steps<Batch | undefined> {
    const rows = this.#rows;
    this.#rows = undefined;
    return rows;
  }

  close(): void {
    this.#rows = undefined;
  }
}
