/** The built-in workloads, by name. */
import type { Workload } from '../workload.ts';
import { bank } from './bank.ts';
import { batches } from './batches.ts';
import { crowd, fresh } from './fresh.ts';
import { lists } from './lists.ts';
import { pairs } from './pairs.ts';
import { queues } from './queues.ts';
import { registers } from './registers.ts';
import { reversals } from './reversals.ts';
import { schema } from './schema.ts';
import { skew } from './skew.ts';
import { streams } from './streams.ts';

export const WORKLOADS: Readonly<Record<string, () => Workload>> = {
  bank,
  batches,
  crowd,
  fresh: () => fresh,
  lists: () => lists,
  pairs: () => pairs,
  queues,
  registers: () => registers,
  reversals,
  schema,
  skew,
  streams,
};
