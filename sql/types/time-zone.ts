/**
 * Time zones: UTC, fixed offsets, and IANA names through Intl. A zone is asked for its offset at an instant, or for
 * a local time. Intl is slow, so its answers are cached per quarter of an hour (offsets change only on such
 * boundaries), in a map of bounded size.
 *
 * Signs follow ISO: `+02` is east. A POSIX specification such as `UTC+2` counts west, as in Postgres.
 */

export interface TimeZone {
  /** As SHOW TimeZone prints it. */
  readonly name: string;
  /** Seconds east of UTC at an instant, given in seconds since 2000-01-01 UTC. */
  offsetAt(utcSeconds: number): number;
  /** The abbreviation at an instant: `UTC`, `CET`, `+02`. */
  abbreviationAt(utcSeconds: number): string;
}

const UNIX_2000 = 946684800;
const MAX_CACHED_OFFSETS = 8192;
const MAX_CACHED_ZONES = 64;
const BUCKET_SECONDS = 900;
const MAX_OFFSET_SECONDS = 15 * 3600 + 59 * 60 + 59;

export const UTC_ZONE: TimeZone = fixedZone('UTC', 0, 'UTC');

const zones = new Map<string, TimeZone>();

/** Zones that Postgres knows by abbreviation in input (its `Default` set, the usual part), seconds east. */
const ABBREVIATIONS: ReadonlyMap<string, number> = new Map([
  ['z', 0],
  ['zulu', 0],
  ['utc', 0],
  ['ut', 0],
  ['uct', 0],
  ['gmt', 0],
  ['est', -5 * 3600],
  ['edt', -4 * 3600],
  ['cst', -6 * 3600],
  ['cdt', -5 * 3600],
  ['mst', -7 * 3600],
  ['mdt', -6 * 3600],
  ['pst', -8 * 3600],
  ['pdt', -7 * 3600],
  ['akst', -9 * 3600],
  ['akdt', -8 * 3600],
  ['hst', -10 * 3600],
  ['wet', 0],
  ['west', 3600],
  ['bst', 3600],
  ['cet', 3600],
  ['cest', 2 * 3600],
  ['met', 3600],
  ['mest', 2 * 3600],
  ['eet', 2 * 3600],
  ['eest', 3 * 3600],
  ['msk', 3 * 3600],
  ['jst', 9 * 3600],
  ['kst', 9 * 3600],
  ['aest', 10 * 3600],
  ['aedt', 11 * 3600],
  ['nzst', 12 * 3600],
  ['nzdt', 13 * 3600],
]);

/** The zone of an abbreviation in date input, or undefined. */
export function zoneAbbreviationOffset(text: string): number | undefined {
  return ABBREVIATIONS.get(text.toLowerCase());
}

/** The zone that a name, an abbreviation, or an offset in hours (`-7`, `+05:30`) means; undefined for none. */
export function resolveTimeZone(name: string): TimeZone | undefined {
  const cached = zones.get(name);
  if (cached !== undefined) return cached;
  const zone = makeZone(name.trim());
  if (zone === undefined) return undefined;
  if (zones.size >= MAX_CACHED_ZONES) zones.clear();
  zones.set(name, zone);
  return zone;
}

/** A zone that is always so many seconds east of UTC. */
export function fixedZone(name: string, offset: number, abbreviation = name): TimeZone {
  return { name, offsetAt: () => offset, abbreviationAt: () => abbreviation };
}

/** The offset for a local time (seconds since 2000-01-01 local): in a gap or overlap, the offset before it. */
export function offsetAtLocal(zone: TimeZone, localSeconds: number): number {
  const before = zone.offsetAt(localSeconds - zone.offsetAt(localSeconds - 86400));
  const after = zone.offsetAt(localSeconds - zone.offsetAt(localSeconds + 86400));
  if (before === after) return before;
  // Around a change: in an overlap both readings are consistent and Postgres takes the standard (later) one; in a
  // gap neither is, and it takes the offset in force before the gap.
  const withBefore = zone.offsetAt(localSeconds - before) === before;
  const withAfter = zone.offsetAt(localSeconds - after) === after;
  if (withBefore && withAfter) return Math.min(before, after);
  if (withAfter) return after;
  return withBefore ? before : Math.min(before, after);
}

/** `+02`, `-03:30`, `+00:19:32`: as Postgres prints an offset. */
export function formatOffset(offset: number): string {
  const sign = offset < 0 ? '-' : '+';
  const abs = Math.abs(offset);
  const minutes = Math.floor(abs / 60) % 60;
  const seconds = abs % 60;
  let text = sign + two(Math.floor(abs / 3600));
  if (minutes !== 0 || seconds !== 0) text += `:${two(minutes)}`;
  if (seconds !== 0) text += `:${two(seconds)}`;
  return text;
}

function makeZone(name: string): TimeZone | undefined {
  if (/^(utc|gmt|z|zulu|etc\/utc)$/i.test(name)) {
    return /^(utc|z|zulu)$/i.test(name) ? UTC_ZONE : fixedZone(name, 0, name.replace(/^.*\//, ''));
  }
  const hours = /^([+-])?(\d{1,2})(?::?(\d{2}))?(?::?(\d{2}))?$/.exec(name);
  if (hours !== null) {
    const offset = offsetOf(hours[1], hours[2], hours[3], hours[4]);
    if (offset === undefined) return undefined;
    const iso = formatOffset(offset);
    return fixedZone(`<${iso}>${formatOffset(-offset)}`, offset, iso);
  }
  const posix = /^(?:([A-Za-z]{3,})|<([+\-A-Za-z0-9]+)>)([+-]?)(\d{1,2})(?::(\d{2}))?$/.exec(name);
  if (posix !== null) {
    const offset = offsetOf(posix[3] === '-' ? '+' : '-', posix[4], posix[5], undefined);
    return offset === undefined ? undefined : fixedZone(name, offset, posix[1] ?? posix[2]);
  }
  const known = ABBREVIATIONS.get(name.toLowerCase());
  if (known !== undefined && !/^(est|mst|hst|cet|met|eet|wet)$/i.test(name)) {
    return fixedZone(name.toUpperCase(), known);
  }
  return ianaZone(name);
}

function offsetOf(
  sign: string | undefined,
  hours: string | undefined,
  minutes: string | undefined,
  seconds: string | undefined,
): number | undefined {
  const value = Number(hours) * 3600 + Number(minutes ?? 0) * 60 + Number(seconds ?? 0);
  if (value > MAX_OFFSET_SECONDS) return undefined;
  return sign === '-' && value !== 0 ? -value : value;
}

function ianaZone(name: string): TimeZone | undefined {
  if (!/^[A-Za-z][A-Za-z0-9_+\-/]*$/.test(name)) return undefined;
  let offsets: Intl.DateTimeFormat;
  let names: Intl.DateTimeFormat;
  try {
    offsets = new Intl.DateTimeFormat('en-US', { timeZone: name, timeZoneName: 'longOffset' });
    names = new Intl.DateTimeFormat('en-US', { timeZone: name, timeZoneName: 'short' });
  } catch {
    // Intl throws RangeError for a name it does not know.
    return undefined;
  }
  const cache = new Map<number, number>();
  const offsetAt = (utcSeconds: number): number => {
    const bucket = Math.floor(utcSeconds / BUCKET_SECONDS);
    const cached = cache.get(bucket);
    if (cached !== undefined) return cached;
    const offset = askIntl(offsets, bucket * BUCKET_SECONDS);
    if (cache.size >= MAX_CACHED_OFFSETS) cache.clear();
    cache.set(bucket, offset);
    return offset;
  };
  const abbreviationAt = (utcSeconds: number): string => {
    const text = zoneName(names, utcSeconds);
    return /^[A-Z]+$/.test(text) ? text : formatOffset(offsetAt(utcSeconds));
  };
  return { name: offsets.resolvedOptions().timeZone, offsetAt, abbreviationAt };
}

function askIntl(format: Intl.DateTimeFormat, utcSeconds: number): number {
  const match = /^GMT(?:([+-])(\d{2}):(\d{2})(?::(\d{2}))?)?$/.exec(zoneName(format, utcSeconds));
  if (match?.[1] === undefined) return 0;
  return offsetOf(match[1], match[2], match[3], match[4]) ?? 0;
}

/** Intl takes instants within 8.64e15 ms of 1970; beyond, the rule of the last year it can express applies. */
function zoneName(format: Intl.DateTimeFormat, utcSeconds: number): string {
  const ms = Math.max(-8.6e15, Math.min(8.6e15, (utcSeconds + UNIX_2000) * 1000));
  return format.formatToParts(ms).find((part) => part.type === 'timeZoneName')?.value ?? 'GMT';
}

function two(value: number): string {
  return value < 10 ? `0${value}` : String(value);
}
