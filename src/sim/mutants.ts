/** Breaks one rule for the length of a run. */
import type { Rule } from '../base/mutant.ts';
import { mutantState } from '../base/mutant-state.ts';

export async function withBroken<T>(rule: Rule | undefined, run: () => Promise<T>): Promise<T> {
  mutantState.broken = rule;
  try {
    return await run();
  } finally {
    mutantState.broken = undefined;
  }
}
