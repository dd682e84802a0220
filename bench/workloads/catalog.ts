/** The workloads of `quorate bench run`, by name. */
import type { Definition } from './definition.ts';
import { pointRead, pointWrite, rangeScan } from './key-value.ts';

export const WORKLOADS: readonly Definition[] = [pointRead, pointWrite, rangeScan];

export function findWorkload(name: string): Definition | undefined {
  return WORKLOADS.find((each) => each.name === name);
}
