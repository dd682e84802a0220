/** What was reached. Read by the simulator alone (src/sim/probes.ts); `.dependency-cruiser.cjs` sees to that. */
import type { Probe } from './probe.ts';

export const probeState: { reached: Set<Probe> | undefined } = { reached: undefined };
