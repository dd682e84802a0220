/**
 * The registry of aggregate functions.
 */
import { SqlError } from '../errors/sql-error.ts';
import type { SqlType } from '../types/sql-type.ts';
import type { ResolvedAggregate } from './function-types.ts';

export function isAggregateName(name: string): boolean {
  return name === 'count';
}

/** The aggregate for a call; `count(*)` has no argument types. Throws 42883 when no overload fits. */
export function resolveAggregate(name: string, argTypes: readonly SqlType[]): ResolvedAggregate {
  throw new SqlError('XX000', `not built: ${name} ${argTypes.length}`);
}
