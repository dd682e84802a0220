/**
 * Rules of the design that can be broken on purpose, under simulation only, to see that its checkers notice: a rule
 * whose mutant survives is one that nothing tests. Each is broken where it is kept, by a line that asks `isBroken`.
 */
import { mutantState } from './mutant-state.ts';

export type Rule =
  | 'CLOCK-1'
  | 'CLOCK-2'
  | 'CLOCK-4'
  | 'CLOCK-5'
  | 'LEASE-1'
  | 'LEASE-2'
  | 'LEASE-3'
  | 'LEASE-4'
  | 'LEASE-5'
  | 'RANGE-1'
  | 'RANGE-2'
  | 'TXN-1'
  | 'TXN-2'
  | 'TXN-3'
  | 'TXN-4'
  | 'TXN-5'
  | 'TXN-6'
  | 'TXN-7'
  | 'TXN-8'
  | 'TXN-9'
  | 'TXN-10'
  | 'TXN-11'
  | 'TXN-12'
  | 'TXN-13'
  | 'TXN-14'
  | 'TXN-15'
  | 'TXN-16'
  | 'TXN-17';

export function isBroken(rule: Rule): boolean {
  return mutantState.broken === rule;
}
