/** The page of an ablation: whole, self-contained, and true to its JSON. */
import { describe, expect, it } from 'vitest';
import { escapeHtml, html } from '../../../../bench/pipeline/html.ts';
import { renderReport } from '../../../../bench/pipeline/report.ts';
import { summarize } from '../../../../bench/pipeline/summary.ts';
import { SWEEPS, planCells } from '../../../../bench/pipeline/sweeps.ts';
import { measurementOf, runOf } from './fixture.ts';

const OFF = { 'raft-batch': 'off', 'raft-pipeline': 'off' };

function everything(): string {
  const cells = planCells(undefined, false).flatMap((group) => group.cells);
  return renderReport(runOf(cells.map((cell) => measurementOf({ cell }))));
}

/** Names of elements that are not closed where they should be; text between them does not matter. */
function unbalanced(page: string): string[] {
  const withoutStyle = page.replace(/<style>[\s\S]*?<\/style>/, '').replace(/^<!doctype html>/, '');
  const open: string[] = [];
  const wrong: string[] = [];
  for (const [, end, name = '', rest = ''] of withoutStyle.matchAll(/<(\/?)([a-z]\w*)([^>]*)>/g)) {
    if (rest.endsWith('/') || name === 'meta') continue;
    if (end === '') open.push(name);
    else if (open.pop() !== name) wrong.push(name);
  }
  return [...wrong, ...open];
}

describe('the report', () => {
  it('is one well-formed page with every sweep', () => {
    const page = everything();
    expect(page.trimStart().startsWith('<!doctype html>')).toBe(true);
    expect(unbalanced(page)).toEqual([]);
    for (const { id, title } of SWEEPS) {
      expect(page).toContain(`id="${id}"`);
      expect(page).toContain(escapeHtml(title));
    }
    expect(page).not.toMatch(/NaN|undefined|Infinity|\[object/);
  });

  it('needs nothing from elsewhere, and suits a telephone', () => {
    const page = everything();
    expect(page).not.toMatch(/https?:|\/\/|@import|url\(|<script|<link|src=|<img/);
    expect(page).toContain('name="viewport" content="width=device-width, initial-scale=1"');
    expect(page).toContain('prefers-color-scheme: dark');
  });

  it('tells where, when and of what it was made', () => {
    const page = everything();
    for (const text of ['2026-01-02 03:04:05 UTC', '2 × A CPU, 8.0 GiB', 'Node v20.0.0']) {
      expect(page).toContain(text);
    }
    expect(page).toContain('1.2.3, commit 0123456789ab, with changes');
    expect(page).toContain('quorate bench pipeline');
  });

  it('escapes what it is given', () => {
    const command = ['bench', '<script>alert("1")</script>', "'&"];
    const machine = { ...runOf([]).machine, cpuModel: '<i>' };
    const page = renderReport(
      runOf([measurementOf({ violations: ['<u>'] })], { command, machine }),
    );
    expect(page).toContain('&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt; &#39;&amp;');
    expect(page).not.toMatch(/<(script|i|u)>/);
    expect(page).toContain('<li>&lt;u&gt;</li>');
  });

  it('puts both on over both off on top', () => {
    const page = renderReport(
      runOf([
        measurementOf({ throughput: 8400, cell: { clients: 64 } }),
        measurementOf({ throughput: 1000, cell: { ...OFF, clients: 64 } }),
        measurementOf({ throughput: 300, cell: { clients: 1 } }),
      ]),
    );
    expect(page).toContain('<b>8.4×</b>');
    expect(page.match(/×<\/b>/g)).toHaveLength(1);
  });

  it('says so when there is nothing', () => {
    expect(renderReport(runOf([]))).toContain('no measurements');
  });
});

describe('the summary', () => {
  const clients = SWEEPS.filter(({ id }) => id === 'clients');
  const pointOf = (made: readonly Parameters<typeof measurementOf>[0][]) => {
    const other = measurementOf({ cell: { clients: 1 } });
    const [summary] = summarize(clients, [other, ...made.map(measurementOf)]);
    return summary?.series[0]?.points.find(({ value }) => value === 64);
  };

  it('takes medians and ranges of repetitions', () => {
    const point = pointOf([
      { repetition: 1, throughput: 100, p50: 9000 },
      { repetition: 2, throughput: 300, p50: 1000 },
      { repetition: 3, throughput: 200, p50: 2000 },
    ]);
    expect(point).toMatchObject({
      repetitions: 3,
      throughput: { median: 200, min: 100, max: 300 },
      p50: { median: 2, min: 1, max: 9 },
      p99: { median: 4 },
    });
  });

  it('explains figures by the counters of all nodes', () => {
    const raft = { raftAppends: 10, raftAppendEntries: 40, raftInflightSum: 25 };
    const counters = { ...raft, raftAppendBytes: 8000, logSyncs: 100, logEntries: 250 };
    expect(pointOf([{ throughput: 100, counters }])).toMatchObject({
      entriesPerAppend: 4,
      appendsInFlight: 2.5,
      bytesPerEntry: 200,
      entriesPerSync: 2.5,
      syncs: 1,
      cpuMs: 10,
      coresBusy: 1.5,
    });
  });

  it('counts statements, not Syncs', () => {
    const sweeps = SWEEPS.filter(({ id }) => id === 'client-pipelining');
    const made = [1, 8].map((pipeline) => measurementOf({ cell: { pipeline, clients: 16 } }));
    const [summary] = summarize(sweeps, made);
    const rates = summary?.series[0]?.points.map(({ throughput }) => throughput.median);
    expect(rates).toEqual([1000, 8000]);
  });

  it('leaves out a sweep without a line, and what did not succeed once', () => {
    const [one, two] = [1, 64].map((each) => measurementOf({ cell: { clients: each } }));
    expect(summarize(clients, [one!])).toEqual([]);
    expect(summarize(clients, [one!, { ...two!, operations: 0 }])).toEqual([]);
    expect(summarize(clients, [one!, two!])).toHaveLength(1);
  });
});

describe('a template', () => {
  it('escapes texts and numbers, and keeps markup', () => {
    const rows = ['<a>', 'b'].map((text) => html`<i title="${text}">${1}</i>`);
    const whole = html`<b>${rows}</b>`;
    expect(whole.text).toBe('<b><i title="&lt;a&gt;">1</i>\n<i title="b">1</i></b>');
  });
});
