/**
 * Statements on one row that a client has sent without waiting for answers, each on its own: asked of their leader
 * together, which takes changes in their order (TXN-15), and answers reads at one moment. One that could not be done so is
 * run the general way when its turn has come, and those behind it are asked for again: whoever has sent them cannot tell
 * the difference, but for the time it takes.
 */
import { assert } from '../../src/base/assert.ts';
import type { Row } from '../types/datum.ts';
import type { BoundStatement, PipelineSink, ResultSink } from './session-api.ts';

/** `undefined`: not done, and nothing of it has happened. */
export type PipelineOutcome =
  | { readonly tag: string; readonly row?: Row | undefined }
  | { readonly error: unknown }
  | undefined;

export interface PipelinePorts {
  /** All together; where one is not done, none behind it is. Never rejects. */
  together(statements: readonly BoundStatement[]): Promise<readonly PipelineOutcome[]>;
  /** One, from its Bind to its Sync. */
  alone(statement: BoundStatement, sink: ResultSink): Promise<void>;
}

export async function runPipeline(
  ports: PipelinePorts,
  statements: readonly BoundStatement[],
  sink: PipelineSink,
): Promise<void> {
  const outcomes = new Array<PipelineOutcome>(statements.length).fill(undefined);
  await ask(ports, statements, outcomes, 0);
  for (const [index, statement] of statements.entries()) {
    const results = sink.begin(index);
    const outcome = outcomes[index];
    let error: unknown;
    if (outcome === undefined) {
      error = await failureOf(ports.alone(statement, results));
    } else if ('tag' in outcome) {
      if (outcome.row !== undefined) await results.row(outcome.row);
      results.complete(outcome.tag);
    } else {
      error = outcome.error;
    }
    if (!sink.end(error)) return;
    if (outcome === undefined) await ask(ports, statements, outcomes, index + 1);
  }
}

/** Those from `start` on whose outcomes are not known, up to the first whose outcome is: it failed, unknown to the others. */
async function ask(
  ports: PipelinePorts,
  statements: readonly BoundStatement[],
  outcomes: PipelineOutcome[],
  start: number,
): Promise<void> {
  const known = outcomes.findIndex((outcome, i) => i >= start && outcome !== undefined);
  const end = known < 0 ? statements.length : known;
  if (end === start) return;
  const found = await asked(ports, statements.slice(start, end));
  outcomes.splice(start, found.length, ...found);
}

async function asked(
  ports: PipelinePorts,
  statements: readonly BoundStatement[],
): Promise<readonly PipelineOutcome[]> {
  const outcomes = await ports.together(statements);
  assert(outcomes.length <= statements.length, 'more outcomes than statements');
  const missed = outcomes.indexOf(undefined);
  const isInOrder = missed < 0 || outcomes.slice(missed).every((each) => !isDone(each));
  assert(isInOrder, 'a statement was done before one that was sent earlier');
  return outcomes;
}

function isDone(outcome: PipelineOutcome): boolean {
  return outcome !== undefined && 'tag' in outcome;
}

function failureOf(running: Promise<void>): Promise<unknown> {
  return running.then(
    () => undefined,
    (error: unknown) => error ?? new Error('failed without a reason'),
  );
}
