/** Bound statements that change rows. */
import type { TableDescriptor } from '../catalog/descriptors.ts';
import type { ProjectItem, Rel, RelColumn, ScanRel } from './rel.ts';
import type { Scalar } from './scalar.ts';

export type Change = InsertChange | UpdateChange | DeleteChange;

/** A value for a column, by ordinal. */
export interface Assignment {
  readonly ordinal: number;
  readonly expr: Scalar;
}

export interface InsertChange {
  readonly kind: 'insert';
  readonly table: TableDescriptor;
  readonly source: Rel;
  /** For each column of the table, over the source's columns. Undefined: the hidden row id. */
  readonly values: readonly (Scalar | undefined)[];
  /** The table's columns as RETURNING sees them. */
  readonly columns: readonly RelColumn[];
  readonly onConflict: ConflictRule | undefined;
  readonly returning: readonly ProjectItem[] | undefined;
}

export interface ConflictRule {
  /** Ids of the indexes whose conflicts count; undefined: all. */
  readonly arbiters: ReadonlySet<number> | undefined;
  /** Undefined: DO NOTHING. Expressions see the row that is there as `InsertChange.columns`, the new one as `excluded`. */
  readonly update:
    | {
        readonly set: readonly Assignment[];
        readonly where: Scalar | undefined;
        readonly excluded: readonly RelColumn[];
      }
    | undefined;
}

/** `source` gives the scan's columns and key, each row locked. SET sees the old row, RETURNING the new one. */
export interface UpdateChange {
  readonly kind: 'update';
  readonly scan: ScanRel;
  readonly source: Rel;
  readonly set: readonly Assignment[];
  readonly returning: readonly ProjectItem[] | undefined;
}

export interface DeleteChange {
  readonly kind: 'delete';
  readonly scan: ScanRel;
  readonly source: Rel;
  readonly returning: readonly ProjectItem[] | undefined;
}
