/**
 * `numeric`: an exact decimal, `unscaled / 10^scale`, or NaN or an infinity. The scale is the display scale, so that
 * 1.0 and 1.00 compare equal and print differently, as in Postgres (chapter 8.1.2).
 */
export interface Decimal {
  readonly kind: 'finite' | 'nan' | 'infinity' | '-infinity';
  readonly unscaled: bigint;
  /** Digits after the point; 0 to 16383. */
  readonly scale: number;
}
