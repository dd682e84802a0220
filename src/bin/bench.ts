/** `quorate bench`: runs the comparison of bench/ from an installed build. */
import { runComparison } from '../../bench/pgbench-compare.ts';

export function runBench(args: readonly string[]): Promise<number> {
  return runComparison(args);
}
