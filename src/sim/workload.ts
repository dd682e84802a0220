/**
 * What simulated clients do, and what must hold. Built-in workloads are in `workloads/`; a user's own is a module whose
 * default export is one (docs/testing.md). All randomness comes from the context, or the run is not a function of its seed.
 */
import type { Random } from '../env/env.ts';
import { QuorateError } from '../base/errors.ts';
import type { SimClient } from './client.ts';
import type { Recorder } from './recorder.ts';

export interface WorkloadContext {
  readonly random: Random;
  /** Judged at the end: strictly serializable, with all that other workloads have recorded. */
  readonly history: Recorder;
  /** Virtual milliseconds. */
  readonly pause: (ms: number) => Promise<void>;
  /** Ends the run: something that must hold does not. */
  readonly fail: (message: string) => never;
}

export interface Workload {
  readonly name: string;
  /** How many clients take steps at a time. */
  readonly clients: number;
  /** Once, before anything goes wrong. */
  setUp(client: SimClient, context: WorkloadContext): Promise<void>;
  /** A piece of work. Throws what no client has to expect, which fails the run. */
  step(client: SimClient, context: WorkloadContext): Promise<void>;
  /** Statements that split its tables further; one is chosen when a range is to be split. */
  splits?(random: Random): readonly string[];
  /** When everything is up again and all clients have stopped. */
  check?(client: SimClient, context: WorkloadContext): Promise<void>;
}

/** What makes a run fail, in words. */
export class Violation extends QuorateError<'violation'> {
  override readonly name = 'Violation';

  constructor(message: string) {
    super('violation', message);
  }
}
