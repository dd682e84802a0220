/** The commands of `quorate bench`, by name; without one, the table of bars. */
import { QuorateError } from '../src/base/errors.ts';
import { runBarsCommand } from './bars-command.ts';
import { runCompareCommand } from './compare-command.ts';
import { runListCommand } from './list-command.ts';
import { runPipelineCommand } from './pipeline/pipeline-command.ts';
import { runReportCommand } from './pipeline/report-command.ts';
import { runRunCommand } from './run-command.ts';

const COMMANDS: Readonly<Record<string, (args: readonly string[]) => Promise<number>>> = {
  bars: runBarsCommand,
  run: runRunCommand,
  list: runListCommand,
  compare: runCompareCommand,
  pipeline: runPipelineCommand,
  report: runReportCommand,
};

export function runBenchCommand(args: readonly string[]): Promise<number> {
  const [name, ...rest] = args;
  if (name === undefined || name.startsWith('-')) return runBarsCommand(args);
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (command !== undefined) return command(rest);
  const known = Object.keys(COMMANDS).join(', ');
  throw new QuorateError('config', `quorate bench has no command "${name}"; it has ${known}`);
}
