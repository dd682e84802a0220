/** The table of bars for people, in Markdown. */
import type { BarResult, CellResult, Verdict } from './bar.ts';

const SAYS: Readonly<Record<Verdict, string>> = {
  aim: 'aim reached',
  bar: 'bar reached',
  missed: 'MISSED',
  'not measured': 'not measured',
};

/** Lines, the last one ended. Figures of a side are its median and, behind it, how far its samples lie apart. */
export function formatBars(bars: readonly BarResult[]): string {
  const header = ['bar', 'compared with', 'Quorate', 'peer', 'ratio', 'at least', 'aim', ''];
  const rows = bars.map((bar) => {
    const limit = bar.unit === 'microseconds' ? `at most ${bar.bar}` : String(bar.bar);
    const ratio = bar.ratio === undefined ? '-' : bar.ratio.toFixed(2);
    const verdict = bar.why === undefined ? SAYS[bar.verdict] : `${SAYS[bar.verdict]}: ${bar.why}`;
    const sides = [sideOf(bar.ours, bar.unit), sideOf(bar.theirs, bar.unit)];
    const oneLine = verdict.replace(/\s+/g, ' ');
    return [bar.title, bar.peer, ...sides, ratio, limit, String(bar.aim), oneLine];
  });
  return aligned([header, ...rows]);
}

function sideOf(side: CellResult | undefined, unit: BarResult['unit']): string {
  if (side === undefined) return '-';
  const { median, samples } = side;
  const spread = ((Math.max(...samples) - Math.min(...samples)) / median) * 50;
  const figure = unit === 'microseconds' ? `${median.toFixed(0)} µs` : median.toFixed(0);
  return samples.length === 1 ? figure : `${figure} ± ${spread.toFixed(0)} %`;
}

function aligned(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, i) => Math.max(...rows.map((row) => row[i]?.length ?? 0)));
  const line = (row: readonly string[]): string =>
    `| ${row.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join(' | ')} |`;
  const [header = [], ...rest] = rows;
  const rule = `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`;
  return [line(header), rule, ...rest.map(line)].map((each) => `${each}\n`).join('');
}
