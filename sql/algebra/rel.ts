/**
 * Bound queries as relational algebra: immutable tagged values. Each relation gives columns that are known by their
 * ids; `outputColumns` says which, in order. Names are kept for EXPLAIN and messages only.
 */
import { unreachable } from '../../src/base/assert.ts';
import type { LockStrength, LockWait } from '../../src/kv/kv-client.ts';
import type { TableDescriptor } from '../catalog/descriptors.ts';
import type { ResolvedAggregate, ResolvedSetFunction } from '../functions/function-types.ts';
import type { SqlType } from '../types/sql-type.ts';
import type { ColumnId, Scalar } from './scalar.ts';

export interface RelColumn {
  readonly id: ColumnId;
  readonly name: string;
  readonly type: SqlType;
}

export type Rel =
  | ScanRel
  | ValuesRel
  | FunctionRel
  | FilterRel
  | ProjectRel
  | JoinRel
  | AggregateRel
  | SortRel
  | LimitRel
  | DistinctRel
  | SetRel
  | LockRel;

/** A table's rows. `columns` are all of the descriptor's, by ordinal. */
export interface ScanRel {
  readonly kind: 'scan';
  readonly table: TableDescriptor;
  readonly alias: string;
  readonly columns: readonly RelColumn[];
  /** The row's key in the clustered index, as a datum of type bytea's kin: only LOCK and changes of rows look at it. */
  readonly keyColumn: RelColumn;
}
/** Rows of expressions; without columns, one empty row is what SELECT without FROM reads. */
export interface ValuesRel {
  readonly kind: 'values';
  readonly columns: readonly RelColumn[];
  readonly rows: readonly (readonly Scalar[])[];
}
export interface FunctionRel {
  readonly kind: 'function';
  readonly fn: ResolvedSetFunction;
  readonly args: readonly Scalar[];
  readonly column: RelColumn;
  /** WITH ORDINALITY, int8 from 1. */
  readonly ordinality: RelColumn | undefined;
}
export interface FilterRel {
  readonly kind: 'filter';
  readonly input: Rel;
  readonly condition: Scalar;
}
export interface ProjectItem {
  readonly column: RelColumn;
  readonly expr: Scalar;
}
/** Exactly its items. A column passed through keeps its id. */
export interface ProjectRel {
  readonly kind: 'project';
  readonly input: Rel;
  readonly items: readonly ProjectItem[];
}
export type RelJoinKind = 'inner' | 'left' | 'right' | 'full' | 'semi' | 'anti';
/** Left columns, then right ones (semi and anti: left only). The right side may use the left's columns: lateral. */
export interface JoinRel {
  readonly kind: 'join';
  readonly joinKind: RelJoinKind;
  readonly left: Rel;
  readonly right: Rel;
  readonly condition: Scalar | undefined;
}
export interface AggregateCallRel {
  readonly column: RelColumn;
  readonly aggregate: ResolvedAggregate;
  readonly args: readonly Scalar[];
  readonly filter: Scalar | undefined;
  readonly isDistinct: boolean;
  readonly orderBy: readonly SortKeyRel[];
}
/** Group columns, then the calls'. Without `groupBy` there is exactly one row. */
export interface AggregateRel {
  readonly kind: 'aggregate';
  readonly input: Rel;
  readonly groupBy: readonly ProjectItem[];
  readonly calls: readonly AggregateCallRel[];
}
export interface SortKeyRel {
  readonly expr: Scalar;
  readonly isDescending: boolean;
  readonly isNullsFirst: boolean;
}
export interface SortRel {
  readonly kind: 'sort';
  readonly input: Rel;
  readonly keys: readonly SortKeyRel[];
}
export interface LimitRel {
  readonly kind: 'limit';
  readonly input: Rel;
  readonly limit: Scalar | undefined;
  readonly offset: Scalar | undefined;
}
/** The first row of each value of `on`; undefined: of all columns. */
export interface DistinctRel {
  readonly kind: 'distinct';
  readonly input: Rel;
  readonly on: readonly Scalar[] | undefined;
}
/** Both sides give as many columns, of the same types, as `columns`. */
export interface SetRel {
  readonly kind: 'set operation';
  readonly operator: 'union' | 'intersect' | 'except';
  readonly isAll: boolean;
  readonly left: Rel;
  readonly right: Rel;
  readonly columns: readonly RelColumn[];
}
/** Locks the rows of scans below by their key columns, and gives what it is given (SKIP LOCKED: what it could lock). */
export interface LockRel {
  readonly kind: 'lock';
  readonly input: Rel;
  readonly targets: readonly LockTarget[];
}
export interface LockTarget {
  readonly table: TableDescriptor;
  readonly keyColumn: RelColumn;
  readonly strength: LockStrength;
  readonly wait: LockWait;
}

/** `keys`: the hidden row key of scans is among them (it is never part of `*`). */
export function outputColumns(rel: Rel): readonly RelColumn[] {
  switch (rel.kind) {
    case 'scan':
      return [...rel.columns, rel.keyColumn];
    case 'values':
    case 'set operation':
      return rel.columns;
    case 'function':
      return rel.ordinality === undefined ? [rel.column] : [rel.column, rel.ordinality];
    case 'project':
      return rel.items.map((item) => item.column);
    case 'aggregate':
      return [...rel.groupBy, ...rel.calls].map((item) => item.column);
    case 'join':
      return rel.joinKind === 'semi' || rel.joinKind === 'anti'
        ? outputColumns(rel.left)
        : [...outputColumns(rel.left), ...outputColumns(rel.right)];
    case 'filter':
    case 'sort':
    case 'limit':
    case 'distinct':
    case 'lock':
      return outputColumns(rel.input);
    default:
      return unreachable(rel);
  }
}

export function outputIds(rel: Rel): ReadonlySet<ColumnId> {
  return new Set(outputColumns(rel).map((column) => column.id));
}
