/** `quorate bench compare A.json B.json`: ratios of medians, B over A, with what the repetitions say of noise. */
import fs from 'node:fs';
import process from 'node:process';
import { parseArgs } from 'node:util';
import { QuorateError } from '../src/base/errors.ts';
import { compareResults, formatComparison } from './compare.ts';
import type { RunResult } from './driver/result.ts';
import { RESULT_FORMAT } from './driver/result.ts';

export function runCompareCommand(args: readonly string[]): Promise<number> {
  const { positionals } = parseArgs({ args: [...args], options: {}, allowPositionals: true });
  const [a, b, ...more] = positionals;
  if (a === undefined || b === undefined || more.length > 0) {
    throw new QuorateError('config', 'quorate bench compare takes two files: A.json B.json');
  }
  process.stdout.write(formatComparison(compareResults(readResult(a), readResult(b))));
  return Promise.resolve(0);
}

function readResult(file: string): RunResult {
  let text: string;
  try {
    text = fs.readFileSync(file, 'utf8');
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? String(cause);
    throw new QuorateError('config', `cannot read ${file}: ${code}`);
  }
  let value: Partial<RunResult> | null;
  try {
    value = JSON.parse(text) as Partial<RunResult> | null;
  } catch {
    throw new QuorateError('config', `${file} is not JSON`);
  }
  if (value?.format !== RESULT_FORMAT || !Array.isArray(value.measurements)) {
    throw new QuorateError('config', `${file} is not a result of quorate bench (${RESULT_FORMAT})`);
  }
  return value as RunResult;
}
