/** `quorate bench compare A.json B.json`: ratios of medians, B over A, with what the repetitions say of noise. */
import process from 'node:process';
import { parseArgs } from 'node:util';
import { QuorateError } from '../src/base/errors.ts';
import { compareResults, formatComparison } from './compare.ts';
import { readResult } from './result-file.ts';

export function runCompareCommand(args: readonly string[]): Promise<number> {
  const { positionals } = parseArgs({ args: [...args], options: {}, allowPositionals: true });
  const [a, b, ...more] = positionals;
  if (a === undefined || b === undefined || more.length > 0) {
    throw new QuorateError('config', 'quorate bench compare takes two files: A.json B.json');
  }
  process.stdout.write(formatComparison(compareResults(readResult(a), readResult(b))));
  return Promise.resolve(0);
}
