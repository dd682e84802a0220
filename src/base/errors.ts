/**
 * The common shape of failures: a code from a closed list per layer, the cause, and what a caller may do about it.
 * Expected outcomes (a vote refused, a key locked) are values, not errors; bugs are `InvariantViolation`.
 */
export type RetryScope = 'never' | 'statement' | 'transaction';

export interface ErrorFlags {
  /** What may be run again to get past this failure. */
  readonly retry: RetryScope;
  /** The operation may have taken effect. */
  readonly ambiguous: boolean;
}

export class QuorateError<Code extends string = string> extends Error {
  override readonly name: string = 'QuorateError';
  readonly code: Code;
  readonly retry: RetryScope;
  readonly ambiguous: boolean;

  constructor(code: Code, message: string, flags?: Partial<ErrorFlags>, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    this.retry = flags?.retry ?? 'never';
    this.ambiguous = flags?.ambiguous ?? false;
  }
}
