/**
 * Assertions, on in production. A failed one is a bug in Quorate: nothing catches `InvariantViolation`
 * except the process edge, which logs it and ends the process. Never used for bad input or for I/O errors.
 */
export class InvariantViolation extends Error {
  override readonly name = 'InvariantViolation';
}

export function assert(condition: boolean, message: string | (() => string)): asserts condition {
  if (!condition) throw new InvariantViolation(typeof message === 'string' ? message : message());
}

/** The value, which the caller knows to be present. */
export function must<T>(value: T | undefined | null, message = 'value is missing'): T {
  if (value === undefined || value === null) throw new InvariantViolation(message);
  return value;
}

/** Makes the compiler prove that a union is exhausted. */
export function unreachable(value: never): never {
  throw new InvariantViolation(`unreachable: ${JSON.stringify(value)}`);
}
