/**
 * A line chart as inline SVG: an axis of named places, evenly spaced, and a linear or logarithmic one of numbers. Lines
 * differ by colour, dash and marker; colours come from CSS (`.s0` to `.s3`), so that they follow the page's scheme. The
 * size suits a telephone unscaled, so that text stays as large as it is written.
 */
import type { Markup } from './html.ts';
import { html } from './html.ts';

export interface ChartPoint {
  readonly place: string;
  readonly y: number;
  /** The range of the repetitions; drawn when it has any width. */
  readonly min: number;
  readonly max: number;
}

export interface ChartLine {
  readonly label: string;
  readonly points: readonly ChartPoint[];
}

export interface Chart {
  readonly title: string;
  readonly xLabel: string;
  /** With its unit. */
  readonly yLabel: string;
  readonly places: readonly string[];
  readonly lines: readonly ChartLine[];
  readonly isLogarithmic: boolean;
}

const WIDTH = 350;
const HEIGHT = 240;
const LEFT = 52;
const RIGHT = 14;
const TOP = 26;
const BOTTOM = 44;
const MARKER = 4;
const TICKS = 5;

interface Scale {
  readonly ticks: readonly number[];
  toY(value: number): number;
}

export function renderChart(chart: Chart): Markup {
  const scale = scaleOf(chart);
  const xOf = (place: string): number => {
    const step = (WIDTH - LEFT - RIGHT) / Math.max(1, chart.places.length);
    return LEFT + step * (chart.places.indexOf(place) + 0.5);
  };
  const middle = (LEFT + WIDTH - RIGHT) / 2;
  return html`<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${describe(chart)}">
    <text class="y-label" x="2" y="12">${chart.yLabel}</text>
    ${scale.ticks.map((tick) => yTick(tick, scale.toY(tick)))}
    ${chart.places.map((place) => xTick(place, xOf(place)))}
    <text class="x-label" x="${middle}" y="${HEIGHT - 6}">${chart.xLabel}</text>
    ${chart.lines.map((line, i) => renderLine(line, i, xOf, scale))}
  </svg>`;
}

/** What is drawn, for those who do not see it. */
function describe({ title, lines, yLabel, xLabel }: Chart): string {
  const parts = lines.map(({ label, points }) => {
    const values = points.map(({ place, y }) => `${place}: ${formatNumber(y)}`);
    return `${label}: ${values.join(', ')}`;
  });
  return `${title}. ${yLabel} by ${xLabel}. ${parts.join('. ')}.`;
}

function yTick(value: number, y: number): Markup {
  return html`<path class="grid" d="M${LEFT} ${fixed(y)}H${WIDTH - RIGHT}" />
    <text class="y-tick" x="${LEFT - 6}" y="${fixed(y + 4)}">${formatNumber(value)}</text>`;
}

function xTick(place: string, x: number): Markup {
  return html`<text class="x-tick" x="${fixed(x)}" y="${HEIGHT - BOTTOM + 16}">${place}</text>`;
}

function renderLine(
  { label, points }: ChartLine,
  index: number,
  xOf: (place: string) => number,
  scale: Scale,
): Markup {
  const at = points.map((point) => ({ ...point, x: xOf(point.place), top: scale.toY(point.y) }));
  const path = at.map(({ x, top }, i) => `${i === 0 ? 'M' : 'L'}${fixed(x)} ${fixed(top)}`);
  return html`<g class="s${index}"
    ><path class="line" d="${path.join('')}" /> ${at.map(
      ({ place, x, top, y, min, max }) =>
        html`<g
          >${whisker(x, scale.toY(min), scale.toY(max))} ${renderMarker(index, x, top)}<title>
            ${label}, ${place}: ${formatNumber(y)}
          </title></g
        >`,
    )}</g
  >`;
}

function whisker(x: number, low: number, high: number): Markup {
  if (low - high < 1) return html``;
  return html`<path class="whisker" d="M${fixed(x)} ${fixed(low)}V${fixed(high)}" />`;
}

/** A shape for each line, centred. */
export function renderMarker(index: number, x: number, y: number): Markup {
  const r = MARKER;
  switch (index % 4) {
    case 0:
      return html`<circle class="marker" cx="${fixed(x)}" cy="${fixed(y)}" r="${r}" />`;
    case 1:
      return html`<path
        class="marker"
        d="M${fixed(x - r)} ${fixed(y - r)}h${2 * r}v${2 * r}h${-2 * r}z"
      />`;
    case 2:
      return html`<path
        class="marker"
        d="M${fixed(x)} ${fixed(y - r - 1)}l${r + 1} ${2 * r + 1}h${-2 * r - 2}z"
      />`;
    default:
      return html`<path
        class="marker"
        d="M${fixed(x)} ${fixed(y - r - 1)}l${r + 1} ${r + 1}l${-r - 1} ${r + 1}l${-r - 1} ${-r - 1}z"
      />`;
  }
}

/* ---------- scales ---------- */

function scaleOf({ lines, isLogarithmic }: Chart): Scale {
  const values = lines.flatMap(({ points }) => points.flatMap(({ y, min, max }) => [y, min, max]));
  const positive = values.filter((value) => value > 0);
  const max = positive.length === 0 ? 1 : Math.max(...positive);
  const min = Math.min(...positive, max);
  return isLogarithmic ? logarithmic(min, max) : linear(max);
}

function linear(max: number): Scale {
  const step = niceStep(max / TICKS);
  const count = Math.max(1, Math.ceil(max / step - 1e-9));
  const top = step * count;
  return {
    ticks: Array.from({ length: count + 1 }, (_, i) => Number((i * step).toPrecision(12))),
    toY: (value) => HEIGHT - BOTTOM - (value / top) * (HEIGHT - TOP - BOTTOM),
  };
}

/** 1, 2 or 5 times a power of ten, not below the value. */
function niceStep(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value));
  const factor = [1, 2, 5, 10].find((each) => each * power >= value * (1 - 1e-9)) ?? 10;
  return factor * power;
}

function logarithmic(min: number, max: number): Scale {
  const ticks = logTicks(min, max);
  const [low, high] = [Math.log(ticks[0] ?? 1), Math.log(ticks.at(-1) ?? 10)];
  const toY = (value: number): number => {
    const share = (Math.log(Math.max(value, ticks[0] ?? 1)) - low) / (high - low);
    return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM);
  };
  return { ticks, toY };
}

/** From the tick at or below `min` to the one at or above `max`; powers of ten only when there would be many. */
function logTicks(min: number, max: number): readonly number[] {
  const all: number[] = [];
  for (let power = Math.floor(Math.log10(min)); power <= Math.ceil(Math.log10(max)); power++) {
    for (const factor of [1, 2, 5]) all.push(Number((factor * 10 ** power).toPrecision(3)));
  }
  const first = Math.max(
    0,
    all.findLastIndex((tick) => tick <= min),
  );
  const last = all.findIndex((tick) => tick >= max && tick > (all[first] ?? 0));
  const ticks = all.slice(first, last < 0 ? undefined : last + 1);
  const middle = ticks.slice(1, -1).filter((tick) => Number.isInteger(Math.log10(tick)));
  return ticks.length <= TICKS + 2 ? ticks : [...ticks.slice(0, 1), ...middle, ...ticks.slice(-1)];
}

/* ---------- numbers ---------- */

/** Three significant digits, thousands and millions by k and M. */
export function formatNumber(value: number): string {
  if (value >= 1e6) return `${Number((value / 1e6).toPrecision(3))}M`;
  if (value >= 10_000) return `${Number((value / 1000).toPrecision(3))}k`;
  if (value >= 100) return value.toFixed(0);
  return String(Number(value.toPrecision(3)));
}

function fixed(value: number): number {
  return Number(value.toFixed(1));
}
