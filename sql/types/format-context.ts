/**
 * What text input and output of values depends on besides the type: settings of the session and the clock of the
 * transaction ('now', 'today'). Immutable while a statement runs.
 */
import type { TimeZone } from './time-zone.ts';
import { UTC_ZONE } from './time-zone.ts';

export interface FormatContext {
  /** The TimeZone setting, resolved by `resolveTimeZone`. */
  readonly timeZone: TimeZone;
  /** Start of the transaction, microseconds since 2000-01-01 UTC: what 'now' means in date input. */
  readonly transactionMicros: bigint;
  /** Above 0: shortest digits that read back the same. At or below: 15 (float4: 6) plus this many digits. */
  readonly extraFloatDigits: number;
  readonly byteaOutput: 'hex' | 'escape';
}

/** UTC and defaults; 'now' is the year 2000. For codecs without a session, and for tests. */
export const DEFAULT_FORMAT: FormatContext = {
  timeZone: UTC_ZONE,
  transactionMicros: 0n,
  extraFloatDigits: 1,
  byteaOutput: 'hex',
};
