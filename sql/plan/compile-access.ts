/** Access paths to keys and spans: the values of conditions are computed, and encoded as the index has them. */
import { must } from '../../src/base/assert.ts';
import type { Key, Span } from '../../src/base/span.ts';
import { ROW_END } from '../../src/kv/keyspace.ts';
import type { Scalar } from '../algebra/scalar.ts';
import type { TableDescriptor } from '../catalog/descriptors.ts';
import type { IndexBound, TableCodec } from '../exec/table-codec.ts';
import { codecOf, indexSpan, keyColumnsOf, columnById } from '../exec/table-codec.ts';
import { encodeKeyPiece } from '../rowcodec/row-key.ts';
import type { KeyColumn } from '../rowcodec/row-key.ts';
import type { Datum } from '../types/datum.ts';
import type { SqlType } from '../types/sql-type.ts';
import { indexPrefix } from '../../src/kv/keyspace.ts';
import type { AccessPath, Bound } from './access-path.ts';
import type { CompileEnv } from './compile-scalar.ts';
import { compileScalar } from './compile-scalar.ts';
import type { Compiled, Frame } from './frame.ts';
import { NO_ROW } from './frame.ts';

/** Entries of the index to read, in the order of the index. Points are at most one entry each. */
export type Access =
  | { readonly kind: 'points'; readonly keys: readonly Key[] }
  | { readonly kind: 'spans'; readonly spans: readonly Span[] };

/** May throw `EvaluationWait`. */
export type CompiledAccess = (frame: Frame) => Access;

const NOTHING: Access = { kind: 'points', keys: [] };

export function compileAccess(
  table: TableDescriptor,
  path: AccessPath,
  env: CompileEnv,
): CompiledAccess {
  const { index } = path;
  const codec = codecOf(table);
  const prefix = path.isPrimary ? codec.prefix : indexPrefix(table.id, index.id);
  const columns = keyColumnsOf(table, index);
  const parts = path.equal.map((part, i) => {
    const column = must(columns[i]);
    return part.values.map((value) =>
      value === undefined ? nullPiece(column) : pieceOf(column, value, env),
    );
  });
  const toAccess = path.isPoint
    ? (texts: readonly string[]): Access => ({
        kind: 'points',
        keys: texts.map((pieces) => (prefix + pieces + ROW_END) as Key),
      })
    : spansOf(path, { table, codec, prefix, columns }, env);

  const [single] = parts;
  if (path.isPoint && parts.length === 1 && single?.length === 1) {
    // One point by one value, the commonest of all.
    const piece = must(single[0]);
    return (frame) => {
      const text = piece(frame);
      return text === undefined
        ? NOTHING
        : { kind: 'points', keys: [(prefix + text + ROW_END) as Key] };
    };
  }
  return (frame) => {
    const texts = combinations(parts, frame);
    return texts.length === 0 ? NOTHING : toAccess(texts, frame);
  };
}

/** A piece of a key, or undefined where no row can match: NULL, a number that the column cannot hold. */
type Piece = (frame: Frame) => string | undefined;

function nullPiece(column: KeyColumn): Piece {
  const text = encodeKeyPiece(column, null);
  return () => text;
}

function pieceOf(column: KeyColumn, value: Scalar, env: CompileEnv): Piece {
  const compiled = compileScalar(value, env);
  const fit = fitterFor(column.type, value.type);
  return (frame) => {
    const datum = compiled(NO_ROW, frame);
    if (datum === null) return undefined;
    const fitted = fit(datum);
    return typeof fitted === 'symbol' ? undefined : encodeKeyPiece(column, fitted);
  };
}

/** The pieces of the leading columns, all combinations, without doubles, in key order. */
function combinations(parts: readonly (readonly Piece[])[], frame: Frame): readonly string[] {
  let texts = [''];
  for (const pieces of parts) {
    const values = new Set<string>();
    for (const piece of pieces) {
      const text = piece(frame);
      if (text !== undefined) values.add(text);
    }
    texts = texts.flatMap((head) => [...values].map((tail) => head + tail));
  }
  return texts.length > 1 ? texts.sort() : texts;
}

// -- ranges ---------------------------------------------------------------------------------------------------------

interface IndexFacts {
  readonly table: TableDescriptor;
  readonly codec: TableCodec;
  readonly prefix: Key;
  readonly columns: readonly KeyColumn[];
}

type EndOf = (frame: Frame) => IndexBound | 'none' | undefined;

function spansOf(
  path: AccessPath,
  facts: IndexFacts,
  env: CompileEnv,
): (texts: readonly string[], frame: Frame) => Access {
  const { prefix, columns } = facts;
  const next = columns[path.equal.length];
  if (next === undefined) {
    return (texts) => ({
      kind: 'spans',
      spans: texts.map((text) => indexSpan((prefix + text) as Key, [], undefined, undefined)),
    });
  }
  const low = endOf(next, path.low, 'low', env);
  const high = endOf(next, path.high, 'high', env);
  const descriptor = must(path.index.columns[path.equal.length]);
  const isNullable = !columnById(facts.table, descriptor.columnId).isNotNull;
  const isRange = path.low !== undefined || path.high !== undefined;
  const nullBound: IndexBound | undefined =
    isNullable && isRange ? { values: [null], isInclusive: false } : undefined;
  return (texts, frame) => {
    const lowEnd = low(frame);
    const highEnd = high(frame);
    if (lowEnd === 'none' || highEnd === 'none') return NOTHING;
    // In the order of the index: a descending column begins with its greatest value.
    let start = next.isDescending ? highEnd : lowEnd;
    let end = next.isDescending ? lowEnd : highEnd;
    if (next.isNullsFirst) start ??= nullBound;
    else end ??= nullBound;
    const spans = texts.map((text) => indexSpan((prefix + text) as Key, [next], start, end));
    return { kind: 'spans', spans: spans.filter((span) => span.start < span.end) };
  };
}

/** 'none': no value can be within. Undefined: no bound on this side. */
function endOf(
  column: KeyColumn,
  bound: Bound | undefined,
  side: 'low' | 'high',
  env: CompileEnv,
): EndOf {
  if (bound === undefined) return () => undefined;
  const compiled: Compiled = compileScalar(bound.expr, env);
  const fit = fitterFor(column.type, bound.expr.type);
  const { isInclusive } = bound;
  return (frame) => {
    const datum = compiled(NO_ROW, frame);
    if (datum === null) return 'none';
    const fitted = fit(datum);
    if (fitted === BELOW) return side === 'low' ? undefined : 'none';
    if (fitted === ABOVE) return side === 'low' ? 'none' : undefined;
    return typeof fitted === 'symbol' ? 'none' : { values: [fitted], isInclusive };
  };
}

const BELOW = Symbol('below all values of the column');
const ABOVE = Symbol('above all values of the column');

const INT_LIMITS = { int2: 15, int4: 31, int8: 63 } as const;

/** A value as a datum of the column; integers of another width may lie beyond what it can hold. */
function fitterFor(
  column: SqlType,
  value: SqlType,
): (datum: Datum) => Datum | typeof BELOW | typeof ABOVE {
  if (column.name === value.name) return (datum) => datum;
  const { name } = column;
  if (name !== 'int2' && name !== 'int4' && name !== 'int8') return (datum) => datum;
  const limit = 1n << BigInt(INT_LIMITS[name]);
  return (datum) => {
    const wide = BigInt(datum as number | bigint);
    if (wide >= limit) return ABOVE;
    if (wide < -limit) return BELOW;
    return name === 'int8' ? wide : Number(wide);
  };
}
