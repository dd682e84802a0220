/**
 * Bound expressions: immutable tagged values with types, casts and operators decided. Columns are known by ids that are
 * unique within a statement, so that expressions may be moved between relations without being rewritten; a column
 * that the relation at hand does not give comes from outside (a correlated subquery, a lateral join).
 */
import type {
  BinaryOperator,
  ResolvedFunction,
  UnaryOperator,
} from '../functions/function-types.ts';
import type { Cast } from '../types/casts.ts';
import type { Datum } from '../types/datum.ts';
import type { SqlType } from '../types/sql-type.ts';
import type { Rel } from './rel.ts';

export type ColumnId = number;

export type Scalar =
  | ConstantScalar
  | ParameterScalar
  | ColumnScalar
  | CastScalar
  | UnaryScalar
  | BinaryScalar
  | CallScalar
  | LogicalScalar
  | NotScalar
  | IsNullScalar
  | IsBooleanScalar
  | IsDistinctScalar
  | CaseScalar
  | CoalesceScalar
  | MinMaxScalar
  | NullIfScalar
  | InScalar
  | SubqueryScalar;

export interface ConstantScalar {
  readonly kind: 'constant';
  readonly type: SqlType;
  readonly value: Datum;
}
/** `index` is 0 for `$1`. Of type unknown until something says what it is. */
export interface ParameterScalar {
  readonly kind: 'parameter';
  readonly type: SqlType;
  readonly index: number;
}
export interface ColumnScalar {
  readonly kind: 'column';
  readonly type: SqlType;
  readonly id: ColumnId;
  /** For messages and EXPLAIN. */
  readonly name: string;
  /** Where it was written; -1 where it was not. */
  readonly position: number;
}
export interface CastScalar {
  readonly kind: 'cast';
  readonly type: SqlType;
  readonly operand: Scalar;
  readonly cast: Cast;
}
export interface UnaryScalar {
  readonly kind: 'unary';
  readonly type: SqlType;
  readonly operator: UnaryOperator;
  readonly operand: Scalar;
}
/** Operands already have the operator's types. */
export interface BinaryScalar {
  readonly kind: 'binary';
  readonly type: SqlType;
  readonly operator: BinaryOperator;
  readonly left: Scalar;
  readonly right: Scalar;
}
export interface CallScalar {
  readonly kind: 'call';
  readonly type: SqlType;
  readonly fn: ResolvedFunction;
  readonly args: readonly Scalar[];
}
export interface LogicalScalar {
  readonly kind: 'and' | 'or';
  readonly type: SqlType;
  readonly operands: readonly Scalar[];
}
export interface NotScalar {
  readonly kind: 'not';
  readonly type: SqlType;
  readonly operand: Scalar;
}
export interface IsNullScalar {
  readonly kind: 'is null';
  readonly type: SqlType;
  readonly operand: Scalar;
  readonly negated: boolean;
}
/** IS TRUE, FALSE; unknown is `is null`. */
export interface IsBooleanScalar {
  readonly kind: 'is boolean';
  readonly type: SqlType;
  readonly operand: Scalar;
  readonly value: boolean;
  readonly negated: boolean;
}
export interface IsDistinctScalar {
  readonly kind: 'is distinct';
  readonly type: SqlType;
  /** `=` over both. */
  readonly operator: BinaryOperator;
  readonly left: Scalar;
  readonly right: Scalar;
  readonly negated: boolean;
}
export interface CaseScalar {
  readonly kind: 'case';
  readonly type: SqlType;
  readonly branches: readonly { readonly when: Scalar; readonly then: Scalar }[];
  readonly otherwise: Scalar;
}
export interface CoalesceScalar {
  readonly kind: 'coalesce';
  readonly type: SqlType;
  readonly operands: readonly Scalar[];
}
export interface MinMaxScalar {
  readonly kind: 'greatest' | 'least';
  readonly type: SqlType;
  readonly operands: readonly Scalar[];
}
export interface NullIfScalar {
  readonly kind: 'nullif';
  readonly type: SqlType;
  readonly operator: BinaryOperator;
  /** What is given back. */
  readonly value: Scalar;
  /** The same, with the operator's type. */
  readonly left: Scalar;
  readonly right: Scalar;
}
/** All operands have one type. */
export interface InScalar {
  readonly kind: 'in';
  readonly type: SqlType;
  readonly operand: Scalar;
  readonly items: readonly Scalar[];
  readonly negated: boolean;
}
/**
 * A query within an expression. 'scalar': its column of at most one row; 'exists'; 'any' compares with each row.
 */
export interface SubqueryScalar {
  readonly kind: 'subquery';
  readonly mode: 'scalar' | 'exists' | 'any';
  readonly type: SqlType;
  readonly query: Rel;
  /** Of 'scalar' only. */
  readonly column: ColumnScalar | undefined;
  /** Of 'any': the left operands from outside, the right ones over the query's columns; all have to hold. */
  readonly comparisons: readonly BinaryScalar[];
}
