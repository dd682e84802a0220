/** `quorate bench list`: the workloads, what each does, its parameters with their defaults and bounds. */
import process from 'node:process';
import { parseArgs } from 'node:util';
import { WORKLOADS } from './workloads/catalog.ts';
import type { Parameter } from './workloads/definition.ts';

export function runListCommand(args: readonly string[]): Promise<number> {
  parseArgs({ args: [...args], options: {} });
  const lines = WORKLOADS.flatMap(({ name, summary, parameters }) => [
    ...[name, `  ${summary}`],
    ...Object.entries(parameters).map(([flag, each]) => `    --${flag} ${describe(each)}`),
  ]);
  process.stdout.write(`${lines.join('\n')}\n`);
  return Promise.resolve(0);
}

function describe(parameter: Parameter): string {
  const values =
    'choices' in parameter ? parameter.choices.join('|') : `${parameter.min}..${parameter.max}`;
  return `${values} (${parameter.default}): ${parameter.meaning}`;
}
