/** Failures of date and time values, worded as Postgres words them. */
import { SqlError } from '../errors/sql-error.ts';

/** `typeName` as in `invalid input syntax for type date`. */
export function invalidDatetime(typeName: string, text: string): SqlError {
  return new SqlError('22007', `invalid input syntax for type ${typeName}: "${text}"`);
}

export function fieldOutOfRange(text: string, isDateOrder = false): SqlError {
  return new SqlError('22008', `date/time field value out of range: "${text}"`, {
    hint: isDateOrder ? 'Perhaps you need a different "datestyle" setting.' : undefined,
  });
}

export function displacementOutOfRange(text: string): SqlError {
  return new SqlError('22009', `time zone displacement out of range: "${text}"`);
}

export function unknownZone(name: string): SqlError {
  return new SqlError('22023', `time zone "${name}" not recognized`);
}

export function timestampOutOfRange(text?: string): SqlError {
  return new SqlError('22008', `timestamp out of range${text === undefined ? '' : `: "${text}"`}`);
}

export function dateOutOfRange(text?: string): SqlError {
  return new SqlError('22008', `date out of range${text === undefined ? '' : `: "${text}"`}`);
}

export function intervalOutOfRange(): SqlError {
  return new SqlError('22008', 'interval out of range');
}
