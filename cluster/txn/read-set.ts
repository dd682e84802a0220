/**
 * What a transaction has read: spans, absence included, in the order they were read, so that a restarted statement can
 * drop its own. Beyond `SPANS_MAX` neighbours are merged into covering spans: more conflicts, never fewer.
 */
import type { Key, Span } from '../../src/base/span.ts';
import { intersectSpans, keyAfter, spanContains } from '../../src/base/span.ts';

/** A COPY or an INSERT of some thousand new rows is not to conflict with others between its keys. */
const SPANS_MAX = 5000;
/** Up to so many spans are looked through; beyond, points are found in a set. */
const FEW_SPANS = 16;

export class ReadSet {
  #spans: Span[] = [];
  /** Made when there are more than a few. */
  #points: Set<Key> | undefined;
  /** Reads so far; after a merge, marks from before it keep everything. */
  #count = 0;
  #mergedAt = 0;
  readonly #tables: number[] = [];

  /** A mark for `dropSince`. */
  get count(): number {
    return this.#count;
  }

  get tables(): readonly number[] {
    return this.#tables;
  }

  addTable(tableId: number): void {
    if (!this.#tables.includes(tableId)) this.#tables.push(tableId);
  }

  addPoint(key: Key): void {
    if (this.#points === undefined) {
      for (const { start, end } of this.#spans) {
        if (start === key && end.length === key.length + 1) return;
      }
    } else if (this.#points.has(key)) return;
    else this.#points.add(key);
    this.#push({ start: key, end: keyAfter(key) });
  }

  addSpan(span: Span): void {
    if (span.start >= span.end) return;
    const last = this.#spans.at(-1);
    // A scan goes on where its last batch ended.
    if (last?.end === span.start && last.end !== keyAfter(last.start)) {
      this.#spans[this.#spans.length - 1] = { start: last.start, end: span.end };
      return;
    }
    this.#push(span);
  }

  /** Drops reads since the mark; those that were merged since stay, which is safe. */
  dropSince(count: number): void {
    if (count < this.#mergedAt) return;
    const keep = this.#spans.length - (this.#count - count);
    for (const span of this.#spans.splice(Math.max(0, keep))) this.#points?.delete(span.start);
    this.#count = count;
  }

  has(key: Key): boolean {
    return this.#spans.some((span) => spanContains(span, key));
  }

  spans(): readonly Span[] {
    return this.#spans;
  }

  within(span: Span): Span[] {
    const found: Span[] = [];
    for (const each of this.#spans) {
      const part = intersectSpans(each, span);
      if (part !== undefined) found.push(part);
    }
    return found;
  }

  #push(span: Span): void {
    this.#spans.push(span);
    this.#count++;
    if (this.#spans.length > FEW_SPANS && this.#points === undefined) {
      const points = this.#spans.filter(({ start, end }) => end === keyAfter(start));
      this.#points = new Set(points.map(({ start }) => start));
    }
    if (this.#spans.length > SPANS_MAX) this.#merge();
  }

  /** Sorts, joins what overlaps, then joins neighbours pairwise. */
  #merge(): void {
    const sorted = [...this.#spans].sort((a, b) => (a.start < b.start ? -1 : 1));
    const merged: Span[] = [];
    sorted.forEach((span, i) => {
      const last = merged.at(-1);
      if (last !== undefined && (span.start <= last.end || i % 2 === 1)) {
        const end = span.end > last.end ? span.end : last.end;
        merged[merged.length - 1] = { start: last.start, end };
      } else merged.push(span);
    });
    this.#spans = merged;
    this.#points?.clear();
    this.#mergedAt = this.#count;
  }
}
