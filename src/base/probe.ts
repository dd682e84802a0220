/**
 * Rare places in the code that a simulation should come to: one that no seed reaches is one that nothing tests. Each is
 * marked by a line that says `reached`, which does nothing but in the simulator.
 */
import { probeState } from './probe-state.ts';

export const PROBES = [
  'change: the one before it was not proposed',
  'change: waited for a record',
  'clock: a round was spared',
  'clock: a round was widened',
  'commit: the outcome was not known',
  'commit: regrouped after a split',
  'deferred: waited for a lock',
  'deferred: waited for a record',
  'deadlock: a victim was chosen',
  'fence: a change gathered first',
  'fence: a write gathered first',
  'lease: a latest read was refused',
  'lock: a grant was lost',
  'lock: its answer was the gather',
  'lock: the snapshot was moved',
  'outcome: forgotten',
  'prepare: below the horizon',
  'prepare: met an outcome',
  'read: settled, where it was asked',
  'read: the ceiling was in the way',
  'recovery: aborted',
  'recovery: committed',
  'recovery: the anchor had forgotten',
  'snapshot: installed',
  'vote: a marker was made',
] as const;
export type Probe = (typeof PROBES)[number];

export function reached(probe: Probe): void {
  probeState.reached?.add(probe);
}
