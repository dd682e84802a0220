/** Results of runs as files. They throw a `QuorateError` that names the file. */
import fs from 'node:fs';
import { QuorateError } from '../src/base/errors.ts';
import type { RunResult } from './driver/result.ts';
import { RESULT_FORMAT } from './driver/result.ts';

export function readResult(file: string): RunResult {
  let text: string;
  try {
    text = fs.readFileSync(file, 'utf8');
  } catch (cause) {
    throw new QuorateError('config', `cannot read ${file}: ${codeOf(cause)}`);
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

export function writeResult(file: string, result: RunResult): void {
  writeText(file, `${JSON.stringify(result, undefined, 1)}\n`);
}

export function writeText(file: string, text: string): void {
  try {
    fs.writeFileSync(file, text);
  } catch (cause) {
    throw new QuorateError('config', `cannot write ${file}: ${codeOf(cause)}`);
  }
}

export function makeDirectory(dir: string): void {
  try {
    fs.mkdirSync(dir, { recursive: true });
  } catch (cause) {
    throw new QuorateError('config', `cannot make ${dir}: ${codeOf(cause)}`);
  }
}

function codeOf(cause: unknown): string {
  return (cause as NodeJS.ErrnoException).code ?? String(cause);
}
