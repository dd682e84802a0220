/**
 * Binary input and output of values, as in Postgres' send and receive functions.
 */
import type { ByteWriter } from '../../src/base/bytes.ts';
import { SqlError } from '../errors/sql-error.ts';
import type { Datum } from './datum.ts';
import type { SqlType } from './sql-type.ts';

/** Reads a binary parameter (without its length word). Bad lengths and values: 22P03. */
export function decodeBinary(type: SqlType, bytes: Uint8Array): Datum {
  throw new SqlError('XX000', `not built: ${type.name} ${bytes.length}`);
}

/** Appends the binary form of a non-null datum, without its length word. */
export function encodeBinary(type: SqlType, datum: Datum, writer: ByteWriter): void {
  throw new SqlError('XX000', `not built: ${type.name} ${typeof datum} ${writer.length}`);
}
