/**
 * Keys and spans. A `Key` is a *binary string*: a JavaScript string of code units 0 to 255, one per byte. Such
 * strings compare (`<`) in byte order, hash natively and slice without copying, which no byte array does (ADR 0001).
 * A span is half open: `start <= key < end`.
 */
declare const brand: unique symbol;

export type Key = string & { readonly [brand]: 'Key' };

export interface Span {
  readonly start: Key;
  readonly end: Key;
}

export const KEY_MIN = '' as Key;
/** Above every key: real keys begin with a byte below 0xff. */
export const KEY_MAX = '\xff' as Key;

export function key(text: string): Key {
  return text as Key;
}

/** The smallest key above `k`. */
export function keyAfter(k: Key): Key {
  return (k + '\0') as Key;
}

/** The end of the span of all keys that begin with `prefix`. */
export function prefixEnd(prefix: Key): Key {
  for (let i = prefix.length - 1; i >= 0; i--) {
    const code = prefix.charCodeAt(i);
    if (code < 255) return (prefix.slice(0, i) + String.fromCharCode(code + 1)) as Key;
  }
  return KEY_MAX;
}

export function prefixSpan(prefix: Key): Span {
  return { start: prefix, end: prefixEnd(prefix) };
}

export function pointSpan(k: Key): Span {
  return { start: k, end: keyAfter(k) };
}

export function spanContains(span: Span, k: Key): boolean {
  return span.start <= k && k < span.end;
}

export function spansOverlap(a: Span, b: Span): boolean {
  return a.start < b.end && b.start < a.end;
}

export function spanCovers(outer: Span, inner: Span): boolean {
  return outer.start <= inner.start && inner.end <= outer.end;
}

export function spanHasAll({ start, end }: Span, keys: readonly Key[]): boolean {
  for (const key of keys) if (key < start || end <= key) return false;
  return true;
}

/** The parts of a span left and right of another. */
export function spanOutside(span: Span, taken: Span): Span[] {
  const left = { start: span.start, end: span.end < taken.start ? span.end : taken.start };
  const right = { start: span.start > taken.end ? span.start : taken.end, end: span.end };
  return [left, right].filter((part) => part.start < part.end);
}

/** The common part, or undefined when there is none. */
export function intersectSpans(a: Span, b: Span): Span | undefined {
  const start = a.start > b.start ? a.start : b.start;
  const end = a.end < b.end ? a.end : b.end;
  return start < end ? { start, end } : undefined;
}

/** Hexadecimal, for logs and messages. */
export function formatKey(k: Key): string {
  return Buffer.from(k, 'latin1').toString('hex');
}
