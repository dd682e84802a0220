/** Collects which probes are reached in the length of a run. */
import type { Probe } from '../base/probe.ts';
import { probeState } from '../base/probe-state.ts';

export async function withProbes<T>(reached: Set<Probe>, run: () => Promise<T>): Promise<T> {
  probeState.reached = reached;
  try {
    return await run();
  } finally {
    probeState.reached = undefined;
  }
}
