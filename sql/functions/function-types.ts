/**
 * The shapes of operators, functions and aggregates, as the binder resolves them and the executor calls them. All
 * implementations are plain synchronous functions on datums; `isStrict` ones are never called with a NULL argument
 * (their result is then NULL).
 */
import type { Cast } from '../types/casts.ts';
import type { Datum } from '../types/datum.ts';
import type { SqlType } from '../types/sql-type.ts';
import type { EvalContext } from './eval-context.ts';

export type Volatility = 'immutable' | 'stable' | 'volatile';

export type BinaryImpl = (left: Datum, right: Datum, ctx: EvalContext) => Datum;
export type UnaryImpl = (value: Datum, ctx: EvalContext) => Datum;
export type ScalarImpl = (args: readonly Datum[], ctx: EvalContext) => Datum;

/** An operator chosen for two operand types. `leftType` says what an untyped operand (parameter, literal) becomes. */
export interface BinaryOperator {
  readonly symbol: string;
  readonly leftType: SqlType;
  readonly rightType: SqlType;
  readonly resultType: SqlType;
  /** To be applied to the operand first; undefined when it already has the operator's type. */
  readonly leftCast: Cast | undefined;
  readonly rightCast: Cast | undefined;
  readonly isStrict: boolean;
  readonly volatility: Volatility;
  readonly impl: BinaryImpl;
}

export interface UnaryOperator {
  readonly symbol: string;
  readonly argType: SqlType;
  readonly resultType: SqlType;
  readonly argCast: Cast | undefined;
  readonly isStrict: boolean;
  readonly volatility: Volatility;
  readonly impl: UnaryImpl;
}

/** One overload. 'any' takes an argument of any type as it is. */
export interface ScalarFunction {
  readonly name: string;
  readonly argTypes: readonly (SqlType | 'any')[];
  /** Any number (at least one) of further arguments of this type. */
  readonly variadicType?: SqlType | 'any';
  readonly resultType: SqlType;
  readonly isStrict: boolean;
  readonly volatility: Volatility;
  readonly impl: ScalarImpl;
}

/** A function chosen for a call. `argTypes[i]` is what argument i must be, `argCasts[i]` how it gets there. */
export interface ResolvedFunction {
  readonly name: string;
  readonly argTypes: readonly SqlType[];
  readonly argCasts: readonly (Cast | undefined)[];
  readonly resultType: SqlType;
  readonly isStrict: boolean;
  readonly volatility: Volatility;
  readonly impl: ScalarImpl;
}

/** A set-returning function, called in FROM or in a select list: one column. */
export interface ResolvedSetFunction {
  readonly name: string;
  readonly argTypes: readonly SqlType[];
  readonly argCasts: readonly (Cast | undefined)[];
  readonly resultType: SqlType;
  readonly volatility: Volatility;
  /** Strict: with a NULL argument there are no rows. Lazy; stop iterating when enough. */
  rows(args: readonly Datum[], ctx: EvalContext): Iterable<Datum>;
}

/**
 * An aggregate. The state is opaque to the caller and may be changed in place by `step`, which returns it (or its
 * successor). `isStrict`: rows with a NULL among the arguments are to be left out by the caller. DISTINCT, ORDER BY
 * and FILTER are the executor's. `merge` folds a partial state into another and returns it.
 */
export interface ResolvedAggregate {
  readonly name: string;
  readonly argTypes: readonly SqlType[];
  readonly argCasts: readonly (Cast | undefined)[];
  readonly resultType: SqlType;
  readonly isStrict: boolean;
  init(): unknown;
  step(state: unknown, args: readonly Datum[]): unknown;
  merge(state: unknown, other: unknown): unknown;
  final(state: unknown): Datum;
}
