/**
 * What clients saw of the cluster, in time: when something was committed, where, how long it took, and how long answers
 * of any kind took. Milliseconds of `performance.now()`.
 */

export interface Commit {
  readonly node: number;
  readonly startMs: number;
  readonly endMs: number;
  /** Ranges of the table that it wrote to, numbered by their place. */
  readonly ranges: readonly number[];
}

interface Answer {
  readonly node: number;
  readonly startMs: number;
  /** Undefined: not answered yet. */
  endMs: number | undefined;
}

export class Availability {
  readonly #commits: Commit[] = [];
  readonly #answers: Answer[] = [];

  committed(commit: Commit): void {
    this.#commits.push(commit);
  }

  /** Something is asked at a node; the result is to be called when it is answered, or the connection is lost. */
  asked(node: number): () => void {
    const answer: Answer = { node, startMs: performance.now(), endMs: undefined };
    this.#answers.push(answer);
    return () => (answer.endMs = performance.now());
  }

  /** The longest time in which nothing at all was committed. */
  longestGapMs(fromMs: number, toMs: number): number {
    let last = fromMs;
    let longest = 0;
    for (const { endMs } of this.#commits) {
      if (endMs < fromMs || endMs > toMs) continue;
      longest = Math.max(longest, endMs - last);
      last = endMs;
    }
    return Math.max(longest, toMs - last);
  }

  /** Until something that began later was committed in each of the ranges; undefined: not by the end. */
  resumedMs(fromMs: number, toMs: number, ranges: ReadonlySet<number>): number | undefined {
    let resumed = 0;
    for (const range of ranges) {
      const first = this.#commits.find(
        (commit) =>
          commit.startMs >= fromMs && commit.endMs <= toMs && commit.ranges.includes(range),
      );
      if (first === undefined) return undefined;
      resumed = Math.max(resumed, first.endMs - fromMs);
    }
    return resumed;
  }

  /** How long commits took that ended in that time, sorted. */
  latenciesMs(fromMs: number, toMs: number): number[] {
    return this.#commits
      .filter(({ endMs }) => endMs >= fromMs && endMs <= toMs)
      .map(({ startMs, endMs }) => endMs - startMs)
      .sort((a, b) => a - b);
  }

  /** How long the slowest question at the node waited within that time. */
  slowestAnswerMs(node: number, fromMs: number, toMs: number): number {
    let slowest = 0;
    for (const answer of this.#answers) {
      const endMs = Math.min(answer.endMs ?? toMs, toMs);
      if (answer.node === node && endMs >= fromMs) {
        slowest = Math.max(slowest, endMs - Math.max(answer.startMs, fromMs));
      }
    }
    return slowest;
  }

  /** Commits by range of the table. */
  busiest(fromMs: number): Map<number, number> {
    const counts = new Map<number, number>();
    for (const { endMs, ranges } of this.#commits) {
      if (endMs < fromMs) continue;
      for (const range of ranges) counts.set(range, (counts.get(range) ?? 0) + 1);
    }
    return counts;
  }
}

/** Of sorted values, the nearest rank; 0 when there are none. */
export function quantile(sorted: readonly number[], share: number): number {
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? 0;
}
