/**
 * The page of an ablation, a function of its JSON: one file without anything from elsewhere, readable on a telephone,
 * in light and dark. Figures are medians of repetitions, bars their range.
 */
import type { Build, Machine, RunResult } from '../driver/result.ts';
import type { Chart } from './chart.ts';
import { formatNumber, renderChart, renderMarker } from './chart.ts';
import type { Markup } from './html.ts';
import { html } from './html.ts';
import type { Spread } from '../statistics.ts';
import { STYLE } from './style.ts';
import type { Point, Series, Summary } from './summary.ts';
import { summarize } from './summary.ts';
import type { Axis } from './sweeps.ts';
import { SWEEPS } from './sweeps.ts';

const DASH = '–';
/** What the words of a flag mean on an axis. */
const PLACES: Readonly<Partial<Record<Axis, Readonly<Record<string, string>>>>> = {
  'raft-batch': { off: '1 (off)', on: '4096 (on)' },
  'raft-pipeline': { off: '1 (off)', on: '64 (on)' },
};

export function renderReport(result: RunResult): string {
  const summaries = summarize(SWEEPS, result.measurements);
  const page = html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <title>Quorate: batching and pipelining</title>
        <style>
          ${STYLE}
        </style>
      </head>
      <body>
        <main>
          <h1>Batching and pipelining</h1>
          <p class="lead">
            What each of Quorate’s ways to share work is worth: autocommit writes of single rows by
            primary key, on a cluster of ${Number(result.settings['nodes'] ?? 3)} processes, every
            write synced on a majority.
          </p>
          ${headlines(summaries)} ${renderRun(result)} ${violationsOf(result)}
          ${summaries.length === 0 ? html`<p>This file holds no measurements of <code>quorate bench pipeline</code>.</p>` : []}
          ${summaries.map(renderSweep)} ${READING}
        </main>
      </body>
    </html> `;
  return page.text;
}

/* ---------- the top ---------- */

/** Both on over both off, at one client and at the most-contended places measured. */
function headlines(summaries: readonly Summary[]): Markup {
  const sweep = summaries.find((each) => each.sweep.id === 'clients');
  const find = (label: string): Series | undefined =>
    sweep?.series.find((series) => series.label === label);
  const off = find('both off');
  const ratios = (find('both on')?.points ?? []).flatMap((on) => {
    const other = off?.points.find(({ value }) => value === on.value);
    if (other === undefined || other.throughput.median === 0) return [];
    return [
      { clients: Number(on.value), on, ratio: on.throughput.median / other.throughput.median },
    ];
  });
  if (ratios.length === 0) return html``;
  return html`<section class="headlines" aria-label="both on over both off">
    ${ratios.map(
      ({ clients, on, ratio }) =>
        html`<div>
          <b>${ratio.toFixed(1)}×</b>
          <span
            >both on over both off, ${clients} ${clients === 1 ? 'client' : 'clients'}
            (${formatNumber(on.throughput.median)} writes/s, p50 ${formatNumber(on.p50.median)}
            ms)</span
          >
        </div>`,
    )}
  </section>`;
}

function renderRun({ date, machine, build, command, measurements }: RunResult): Markup {
  const repetitions = Math.max(0, ...measurements.map(({ repetition }) => repetition));
  const seconds = Math.round(Math.max(0, ...measurements.map((each) => each.seconds)));
  const parameters = measurements[0]?.parameters ?? {};
  const facts: readonly (readonly [string, string])[] = [
    ['Date', date.replace('T', ' ').replace(/\.\d+Z$/, ' UTC')],
    ['Machine', machineOf(machine)],
    ['Quorate', `${build.version}, ${commitOf(build)}`],
    ['Command', `quorate ${command.join(' ')}`],
    ['Table', `${parameters['rows'] ?? '?'} rows of ${parameters['bytes'] ?? '?'} bytes`],
    ['Repetitions', `${repetitions} of ${seconds} s each${noiseOf(repetitions)}`],
  ];
  return html`<dl class="facts">
    ${facts.map(
      ([name, value]) =>
        html`<div>
          <dt>${name}</dt>
          <dd>${value}</dd>
        </div>`,
    )}
  </dl>`;
}

function noiseOf(repetitions: number): string {
  if (repetitions > 1) return ', alternating; nodes started anew for each setting';
  return ': how much of a difference is noise is not known';
}

function commitOf({ commit }: Build): string {
  if (commit === undefined) return 'commit not known';
  const [hash = '', ...changed] = commit.split('-');
  return `commit ${hash.slice(0, 12)}${changed.length === 0 ? '' : ', with changes'}`;
}

function machineOf({ cpus, cpuModel, memoryBytes, os, node }: Machine): string {
  const gib = (memoryBytes / 2 ** 30).toFixed(1);
  return `${cpus} × ${cpuModel}, ${gib} GiB, ${os}, Node ${node}; clients and all nodes share it`;
}

function violationsOf({ measurements }: RunResult): Markup {
  const all = [...new Set(measurements.flatMap(({ violations }) => violations))];
  if (all.length === 0) return html``;
  return html`<section class="bad">
    <h2>Checks failed</h2>
    <ul>
      ${all.map((text) => html`<li>${text}</li>`)}
    </ul>
  </section>`;
}

/* ---------- one sweep ---------- */

function renderSweep({ sweep, series }: Summary): Markup {
  const places = sweep.values.filter((value) =>
    series.some(({ points }) => points.some((point) => point.value === value)),
  );
  const chart = (part: Pick<Chart, 'yLabel' | 'isLogarithmic'>, of: keyof PointSpreads): Markup =>
    renderChart({
      ...part,
      title: sweep.title,
      xLabel: sweep.axisLabel,
      places: places.map((value) => placeOf(sweep.axis, value)),
      lines: series.map(({ label, points }) => ({
        label,
        points: points.map((point) => ({
          place: placeOf(sweep.axis, point.value),
          ...{ y: point[of].median, min: point[of].min, max: point[of].max },
        })),
      })),
    });
  return html`<section id="${sweep.id}">
    <h2>${sweep.title}</h2>
    <p>${sweep.what}</p>
    <ul class="legend">
      ${series.map(
        ({ label }, i) =>
          html`<li class="s${i}">
            <svg viewBox="0 0 34 12" aria-hidden="true">
              <path class="line" d="M0 6H34" />
              ${renderMarker(i, 17, 6)}</svg
            >${label}
          </li>`,
      )}
    </ul>
    <div class="charts">
      <figure>
        ${chart({ yLabel: 'committed statements per second', isLogarithmic: false }, 'throughput')}
      </figure>
      <figure>
        ${chart({ yLabel: 'latency p50, milliseconds (log scale)', isLogarithmic: true }, 'p50')}
      </figure>
      <figure>
        ${chart({ yLabel: 'latency p99, milliseconds (log scale)', isLogarithmic: true }, 'p99')}
      </figure>
    </div>
    ${renderTable(sweep.axisLabel, sweep.axis, series)}
  </section>`;
}

type PointSpreads = Pick<Point, 'throughput' | 'p50' | 'p99'>;

function placeOf(axis: Axis, value: string | number): string {
  return PLACES[axis]?.[String(value)] ?? String(value);
}

const COLUMNS: readonly (readonly [string, (point: Point) => string])[] = [
  ['statements/s', ({ throughput }) => formatNumber(throughput.median)],
  ['lowest–highest', ({ throughput, repetitions }) => rangeOf(throughput, repetitions)],
  ['p50 ms', ({ p50 }) => formatNumber(p50.median)],
  ['p99 ms', ({ p99 }) => formatNumber(p99.median)],
  ['entries per append', ({ entriesPerAppend }) => orDash(entriesPerAppend)],
  ['appends in flight', ({ appendsInFlight }) => orDash(appendsInFlight)],
  ['entries per sync', ({ entriesPerSync }) => orDash(entriesPerSync)],
  ['syncs per operation', ({ syncs }) => orDash(syncs)],
  ['bytes per entry', ({ bytesPerEntry }) => orDash(bytesPerEntry)],
  ['CPU ms per operation', ({ cpuMs }) => orDash(cpuMs)],
  ['cores busy', ({ coresBusy }) => orDash(coresBusy)],
  ['failed', ({ errors }) => String(errors)],
];

function rangeOf({ min, max }: Spread, repetitions: number): string {
  return repetitions === 1 ? DASH : `${formatNumber(min)}${DASH}${formatNumber(max)}`;
}

function orDash(value: number): string {
  return value === 0 ? DASH : formatNumber(value);
}

function renderTable(axisLabel: string, axis: Axis, series: readonly Series[]): Markup {
  return html`<details>
    <summary>Table</summary>
    <div class="table" tabindex="0" role="region" aria-label="figures">
      <table>
        <thead>
          <tr>
            <th scope="col">setting</th>
            <th scope="col">${axisLabel}</th>
            ${COLUMNS.map(([name]) => html`<th scope="col">${name}</th>`)}
          </tr>
        </thead>
        ${series.map(
          ({ label, points }) =>
            html`<tbody>
              ${points.map(
                (point) =>
                  html`<tr>
                    <th scope="row">${label}</th>
                    <td>${placeOf(axis, point.value)}</td>
                    ${COLUMNS.map(([, of]) => html`<td>${of(point)}</td>`)}
                  </tr>`,
              )}
            </tbody>`,
        )}
      </table>
    </div>
  </details>`;
}

const READING = html`<section id="reading">
  <h2>How to read this</h2>
  <ul>
    <li>
      Every client waits for its answer before it sends again (closed loop): latency and throughput
      are two sides of one figure.
    </li>
    <li>
      Points are medians of the repetitions, which alternate between the settings; bars reach from
      the lowest to the highest. Where bars overlap, a difference may be noise.
    </li>
    <li>Places on the horizontal axes are evenly spaced, whatever their values.</li>
    <li>
      What a figure cost is in the tables, from the nodes’ own counters. Syncs, bytes and processor
      time are those of all nodes together; an operation is what one Sync ends.
    </li>
    <li>
      All processes share the machine, the clients’ too: on more cores, or with a slower disk or
      network, other settings matter more. Where fewer cores were busy than elsewhere under the same
      load, something else was using them.
    </li>
  </ul>
</section>`;
