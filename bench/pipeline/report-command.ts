/** `quorate bench report FILE.json`: the page of an ablation again, from its JSON. */
import process from 'node:process';
import { parseArgs } from 'node:util';
import { QuorateError } from '../../src/base/errors.ts';
import { readResult, writeText } from '../result-file.ts';
import { renderReport } from './report.ts';

export function runReportCommand(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...args],
    options: { out: { type: 'string' } },
    allowPositionals: true,
  });
  const [file, ...more] = positionals;
  if (file === undefined || more.length > 0) {
    throw new QuorateError(
      'config',
      'quorate bench report takes one file: FILE.json [--out FILE.html]',
    );
  }
  const out = values.out ?? `${file.replace(/\.json$/, '')}.html`;
  writeText(out, renderReport(readResult(file)));
  process.stdout.write(`${out}\n`);
  return Promise.resolve(0);
}
