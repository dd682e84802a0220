/** The workloads of `quorate bench run`, by name. */
import { bank } from './bank.ts';
import { hotRow, readModifyWrite } from './counters.ts';
import type { Definition } from './definition.ts';
import { batchInsert, copyIn } from './ingest.ts';
import { pointRead, pointWrite, rangeScan } from './key-value.ts';
import { pgbenchWorkloads } from './pgbench.ts';
import { tpcc } from './tpcc/definition.ts';
import { ycsbWorkloads } from './ycsb.ts';

export const WORKLOADS: readonly Definition[] = [
  ...[pointRead, pointWrite, readModifyWrite, hotRow, bank, rangeScan, batchInsert, copyIn],
  ...ycsbWorkloads,
  ...pgbenchWorkloads,
  tpcc,
];

export function findWorkload(name: string): Definition | undefined {
  return WORKLOADS.find((each) => each.name === name);
}
