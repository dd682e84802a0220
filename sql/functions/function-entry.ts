/**
 * How overloads of scalar functions are written down: one entry each, most with a fixed implementation, a few (concat,
 * pg_typeof) with one made for the types of the call.
 */
import type { SqlType } from '../types/sql-type.ts';
import type { ScalarImpl, Volatility } from './function-types.ts';

export interface FunctionEntry {
  readonly name: string;
  readonly argTypes: readonly (SqlType | 'any')[];
  readonly variadicType?: SqlType | 'any';
  readonly resultType: SqlType;
  readonly isStrict: boolean;
  readonly volatility: Volatility;
  readonly implFor: (argTypes: readonly SqlType[]) => ScalarImpl;
}

interface EntryOptions {
  readonly volatility?: Volatility;
  readonly isStrict?: boolean;
  readonly variadicType?: SqlType | 'any';
}

/** Immutable and strict unless `options` say otherwise. */
export function entry(
  name: string,
  argTypes: readonly (SqlType | 'any')[],
  resultType: SqlType,
  impl: ScalarImpl,
  options: EntryOptions = {},
): FunctionEntry {
  return typedEntry(name, argTypes, resultType, () => impl, options);
}

/** An implementation that depends on the argument types of the call. */
export function typedEntry(
  name: string,
  argTypes: readonly (SqlType | 'any')[],
  resultType: SqlType,
  implFor: (argTypes: readonly SqlType[]) => ScalarImpl,
  options: EntryOptions = {},
): FunctionEntry {
  return {
    name,
    argTypes,
    resultType,
    isStrict: options.isStrict ?? true,
    volatility: options.volatility ?? 'immutable',
    implFor,
    ...(options.variadicType === undefined ? {} : { variadicType: options.variadicType }),
  };
}
