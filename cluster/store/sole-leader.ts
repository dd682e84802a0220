/**
 * CLOCK-5: does this node lead every range there is, under leases that hold in this very step? Then nothing is committed
 * anywhere whose timestamp is above its clock (ADR 0015).
 *
 * What it does not do: count ranges beyond a few; a node that leads many is rarely alone, and looking costs time.
 */
import type { Key, Span } from '../../src/base/span.ts';
import { KEY_MAX, KEY_MIN } from '../../src/base/span.ts';
import { isBroken } from '../../src/base/mutant.ts';
import type { Office } from '../replica/office.ts';

interface LedRange {
  readonly state: { readonly descriptor: Span };
  readonly replica: { readonly office: Office | undefined; hasLease(office: Office): boolean };
}

const RANGES_MAX = 16;

export function leadsEverything(ranges: ReadonlyMap<unknown, LedRange>): boolean {
  if (ranges.size > RANGES_MAX) return false;
  for (const { replica } of ranges.values()) {
    const { office } = replica;
    if (office === undefined) return false;
    if (isBroken('CLOCK-5')) continue;
    if (office.isSplitting || !replica.hasLease(office)) return false;
  }
  return coverEverything(ranges);
}

/** A split may be half done here: its right half is led by somebody else before this node knows of it. */
function coverEverything(ranges: ReadonlyMap<unknown, LedRange>): boolean {
  let at: Key = KEY_MIN;
  for (let count = 0; count < ranges.size && at < KEY_MAX; count++) {
    const next = rangeFrom(ranges, at);
    if (next === undefined) return false;
    at = next.end;
  }
  return at >= KEY_MAX;
}

function rangeFrom(ranges: ReadonlyMap<unknown, LedRange>, start: Key): Span | undefined {
  for (const { state } of ranges.values()) {
    if (state.descriptor.start === start) return state.descriptor;
  }
  return undefined;
}
