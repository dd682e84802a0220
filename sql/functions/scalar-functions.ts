/**
 * The registry of scalar and set-returning functions.
 */
import { SqlError } from '../errors/sql-error.ts';
import type { SqlType } from '../types/sql-type.ts';
import type { ResolvedFunction, ResolvedSetFunction } from './function-types.ts';

/** The overload for a call; undefined when no function has this name; throws 42883/42725 when none fits. */
export function resolveFunction(
  name: string,
  argTypes: readonly SqlType[],
): ResolvedFunction | undefined {
  throw new SqlError('XX000', `not built: ${name} ${argTypes.length}`);
}

/** As `resolveFunction`, for functions that return rows. */
export function resolveSetFunction(
  name: string,
  argTypes: readonly SqlType[],
): ResolvedSetFunction | undefined {
  throw new SqlError('XX000', `not built: ${name} ${argTypes.length}`);
}
