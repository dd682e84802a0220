/** TPC-C for the command line: `quorate bench run tpcc --warehouses W`. */
import type { Measurement } from '../../driver/result.ts';
import { SeededRandom } from '../../driver/random.ts';
import { define } from '../definition.ts';
import { FULL_SCALE, TEST_SCALE } from './scale.ts';
import { Tpcc, tpmC } from './tpcc.ts';

export const tpcc = define({
  name: 'tpcc',
  summary: 'TPC-C: order entry, five transactions over nine tables, no keying and think times.',
  parameters: {
    warehouses: { default: 1, min: 1, max: 10_000, meaning: 'some 100 MB each at full scale' },
    size: {
      ...{ default: 'full', choices: ['full', 'test'] },
      meaning: 'full: the specification; test: 200 items, 30 customers a district, no TPC-C',
    },
    pipeline: {
      ...{ default: 'on', choices: ['on', 'off'] },
      meaning: "statements that do not need each other's results share a round trip",
    },
    split: {
      ...{ default: 'off', choices: ['on', 'off'] },
      meaning: 'every warehouse has ranges of its own, eight of them (Quorate only)',
    },
  },
  make: ({ warehouses, size, pipeline, split }) =>
    new Tpcc({
      scale: { ...(size === 'full' ? FULL_SCALE : TEST_SCALE), warehouses },
      random: new SeededRandom(1),
      isPipelined: pipeline === 'on',
      isSplit: split === 'on',
    }),
});

/** TPC-C's own figure of a measurement of it; undefined for any other. */
export function tpmCOf({ workload, latency, seconds }: Measurement): number | undefined {
  return workload === 'tpcc' ? tpmC(latency['neworder']?.count ?? 0, seconds) : undefined;
}
