/** CLOCK-5: when a node may say that it leads everything. */
import { describe, expect, it } from 'vitest';
import { Office } from '../../../../cluster/replica/office.ts';
import { leadsEverything } from '../../../../cluster/store/sole-leader.ts';
import type { Span } from '../../../../src/base/span.ts';
import { KEY_MAX, KEY_MIN, key } from '../../../../src/base/span.ts';

interface Range {
  readonly state: { readonly descriptor: Span };
  readonly replica: { readonly office: Office | undefined; hasLease(office: Office): boolean };
}

function range(start: string, end: string, office?: Office, hasLease = true): Range {
  const descriptor = { start: key(start), end: key(end) };
  return { state: { descriptor }, replica: { office, hasLease: () => hasLease } };
}

const all = (...ranges: Range[]): ReadonlyMap<number, Range> => new Map(ranges.entries());
const office = (): Office => new Office(1, 1000);

describe('a node leads everything', () => {
  it('that there is, in whatever order it knows of it', () => {
    expect(leadsEverything(all(range(KEY_MIN, KEY_MAX, office())))).toBe(true);
    const parts = [range('m', 't', office()), range(KEY_MIN, 'm', office())];
    expect(leadsEverything(all(...parts, range('t', KEY_MAX, office())))).toBe(true);
  });

  it('not while another leads a part, or nobody knows who does', () => {
    expect(leadsEverything(all(range(KEY_MIN, 'm', office()), range('m', KEY_MAX)))).toBe(false);
    expect(leadsEverything(all(range(KEY_MIN, 'm', office())))).toBe(false);
    expect(leadsEverything(all(range('m', KEY_MAX, office())))).toBe(false);
    expect(leadsEverything(all())).toBe(false);
  });

  it('not without a lease, nor from the proposal of a split on', () => {
    expect(leadsEverything(all(range(KEY_MIN, KEY_MAX, office(), false)))).toBe(false);
    const splitting = office();
    splitting.isSplitting = true;
    expect(leadsEverything(all(range(KEY_MIN, KEY_MAX, splitting)))).toBe(false);
  });
});
