/**
 * What a transaction has read: spans, absence included, in the order they were read, so that a restarted statement can
 * drop its own. Beyond `SPANS_MAX` neighbours are merged into covering spans: more conflicts, never fewer.
 */
import type { Key, Span } from '../../src/base/span.ts';
import { intersectSpans, keyAfter } from '../../src/base/span.ts';

const SPANS_MAX = 1000;

export class ReadSet {
  #spans: Span[] = [];
  readonly #points = new Set<Key>();
  /** Reads so far; after a merge, marks from before it keep everything. */
  #count = 0;
  #mergedAt = 0;
  readonly #tables = new Set<number>();

  get isEmpty(): boolean {
    return this.#spans.length === 0;
  }

  /** A mark for `dropSince`. */
  get count(): number {
    return this.#count;
  }

  get tables(): ReadonlySet<number> {
    return this.#tables;
  }

  addTable(tableId: number): void {
    this.#tables.add(tableId);
  }

  addPoint(key: Key): void {
    if (this.#points.has(key)) return;
    this.#points.add(key);
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
    for (const span of this.#spans.splice(Math.max(0, keep))) this.#points.delete(span.start);
    this.#count = count;
  }

  /** The reads before the mark, or all. */
  spansBefore(count: number): readonly Span[] {
    if (count < this.#mergedAt) return this.#spans;
    return this.#spans.slice(0, Math.max(0, this.#spans.length - (this.#count - count)));
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
    this.#points.clear();
    this.#mergedAt = this.#count;
  }
}
