/** Which rule is broken. Set by the simulator alone (src/sim/mutants.ts); `.dependency-cruiser.cjs` sees to that. */
import type { Rule } from './mutant.ts';

export const mutantState: { broken: Rule | undefined } = { broken: undefined };
