/**
 * How the rows of a table are found: which index, which of its leading columns have known values, and what range of
 * the next one. Chosen by an estimate of the rows read; without statistics it goes by what kind of condition there is.
 */
import { must } from '../../src/base/assert.ts';
import type { BinaryScalar, ColumnId, ColumnScalar, Scalar } from '../algebra/scalar.ts';
import type { ScanRel, SortKeyRel } from '../algebra/rel.ts';
import { columnsIn, isVolatile } from '../algebra/walk.ts';
import { constant } from '../binder/coerce.ts';
import type { IndexColumn, IndexDescriptor } from '../catalog/descriptors.ts';
import { commutatorOf } from '../functions/operators.ts';
import { likePrefix } from '../functions/patterns.ts';
import type { SqlType, TypeName } from '../types/sql-type.ts';
import { TEXT, isIntegerType } from '../types/sql-type.ts';

export interface Bound {
  readonly expr: Scalar;
  readonly isInclusive: boolean;
}

/** Values that a leading column may have: one of `=`, several of IN; undefined is NULL (`IS NULL`). */
export interface KeyPart {
  readonly values: readonly (Scalar | undefined)[];
}

export interface AccessPath {
  readonly index: IndexDescriptor;
  readonly isPrimary: boolean;
  readonly equal: readonly KeyPart[];
  /** Of the column after those. In the order of values, whichever way the index runs. */
  readonly low: Bound | undefined;
  readonly high: Bound | undefined;
  /** Every column of a unique index is known: each combination is at most one row. */
  readonly isPoint: boolean;
  /** Conditions that the keys fulfil by themselves. */
  readonly covered: ReadonlySet<Scalar>;
  readonly isReverse: boolean;
  /** The rows come in the order that was asked for. */
  readonly isOrdered: boolean;
  /** Rows read, roughly. */
  readonly rows: number;
}

export interface OrderWish {
  readonly keys: readonly SortKeyRel[];
  /** Rows wanted, as far as known. */
  readonly limit: number | undefined;
}

/** What is assumed of a table, and of conditions, as long as there are no statistics. */
const TABLE_ROWS = 100000;
const EQUAL_FRACTION = 0.01;
const RANGE_FRACTION = 0.05;
const OPEN_RANGE_FRACTION = 0.3;
/** Reading a row through a secondary index costs so much more than reading it in its place. */
const LOOKUP_COST = 4;
const COMBINATIONS_MAX = 1000;

export function chooseAccess(
  scan: ScanRel,
  conjuncts: readonly Scalar[],
  wish?: OrderWish,
): AccessPath {
  const { table } = scan;
  const conditions = conditionsByColumn(scan, conjuncts);
  const paths = [table.primary, ...table.indexes].map((index) =>
    pathOf(scan, index, conditions, wish),
  );
  let best = must(paths[0]);
  for (const path of paths) if (costOf(path, wish) < costOf(best, wish)) best = path;
  return best;
}

function costOf(path: AccessPath, wish: OrderWish | undefined): number {
  const perRow = path.isPrimary ? 1 : LOOKUP_COST;
  if (wish === undefined || !path.isOrdered) return path.rows * perRow;
  // In order, reading ends with the limit: ten rows are read for each one that passes the other conditions.
  const read = wish.limit === undefined ? path.rows : Math.min(path.rows, wish.limit * 10);
  return read * perRow * 0.9;
}

// -- conditions ---------------------------------------------------------------------------------------------------

/** A condition on one column, with values from elsewhere. */
interface Condition {
  readonly conjunct: Scalar;
  readonly kind: 'equal' | 'low' | 'high';
  readonly values: readonly (Scalar | undefined)[];
  readonly isInclusive: boolean;
  /** False: the keys only narrow it, and it has to be checked all the same. */
  readonly isExact: boolean;
}

function conditionsByColumn(
  scan: ScanRel,
  conjuncts: readonly Scalar[],
): ReadonlyMap<ColumnId, Condition[]> {
  const own = new Set(scan.columns.map((column) => column.id));
  const byColumn = new Map<ColumnId, Condition[]>();
  const add = (column: ColumnScalar, condition: Condition): void => {
    const list = byColumn.get(column.id);
    if (list === undefined) byColumn.set(column.id, [condition]);
    else list.push(condition);
  };
  for (const conjunct of conjuncts) {
    for (const { column, condition } of conditionsOf(conjunct, own)) add(column, condition);
  }
  return byColumn;
}

interface Found {
  readonly column: ColumnScalar;
  readonly condition: Condition;
}

function conditionsOf(conjunct: Scalar, own: ReadonlySet<ColumnId>): Found[] {
  switch (conjunct.kind) {
    case 'column':
      // A bare boolean column.
      return own.has(conjunct.id)
        ? [isEqual(conjunct, conjunct, [constant(conjunct.type, true)])]
        : [];
    case 'not': {
      const { operand } = conjunct;
      if (operand.kind !== 'column' || !own.has(operand.id)) return [];
      return [isEqual(operand, conjunct, [constant(operand.type, false)])];
    }
    case 'is null': {
      const { operand, negated } = conjunct;
      if (negated || operand.kind !== 'column' || !own.has(operand.id)) return [];
      return [isEqual(operand, conjunct, [undefined])];
    }
    case 'in': {
      const column = keyColumn(conjunct.operand, own);
      const isUsable =
        column !== undefined &&
        !conjunct.negated &&
        conjunct.items.every((item) => isOutside(item, own) && fits(column.type, item.type));
      return isUsable ? [isEqual(column, conjunct, conjunct.items)] : [];
    }
    case 'binary':
      return comparison(conjunct, own);
    default:
      return [];
  }
}

function isEqual(
  column: ColumnScalar,
  conjunct: Scalar,
  values: readonly (Scalar | undefined)[],
): Found {
  return {
    column,
    condition: { conjunct, kind: 'equal', values, isInclusive: true, isExact: true },
  };
}

function comparison(conjunct: BinaryScalar, own: ReadonlySet<ColumnId>): Found[] {
  const { left, right, operator } = conjunct;
  if (operator.symbol === '~~') return prefixRange(conjunct, own);
  const onLeft = keyColumn(left, own);
  const onRight = keyColumn(right, own);
  if (onLeft !== undefined && isOutside(right, own) && fits(onLeft.type, right.type)) {
    return compared(onLeft, conjunct, operator.symbol, right);
  }
  const turned = commutatorOf(operator.symbol);
  if (turned === undefined || onRight === undefined) return [];
  if (!isOutside(left, own) || !fits(onRight.type, left.type)) return [];
  return compared(onRight, conjunct, turned, left);
}

function compared(column: ColumnScalar, conjunct: Scalar, symbol: string, value: Scalar): Found[] {
  const make = (kind: Condition['kind'], isInclusive: boolean): Found[] => [
    { column, condition: { conjunct, kind, values: [value], isInclusive, isExact: true } },
  ];
  switch (symbol) {
    case '=':
      return make('equal', true);
    case '<':
      return make('high', false);
    case '<=':
      return make('high', true);
    case '>':
      return make('low', false);
    case '>=':
      return make('low', true);
    default:
      return [];
  }
}

/** `column LIKE 'abc%'`: at or above 'abc', below what follows all texts that begin so. */
function prefixRange(conjunct: BinaryScalar, own: ReadonlySet<ColumnId>): Found[] {
  const column = keyColumn(conjunct.left, own);
  const { right } = conjunct;
  if (column === undefined || column.type.name === 'bpchar') return [];
  if (right.kind !== 'constant' || typeof right.value !== 'string') return [];
  const prefix = likePrefix(right.value);
  if (prefix === '') return [];
  const base = { column, conjunct, isExact: false };
  const found: Found[] = [
    {
      column,
      condition: { ...base, kind: 'low', values: [constant(TEXT, prefix)], isInclusive: true },
    },
  ];
  const next = nextText(prefix);
  if (next !== undefined) {
    const values = [constant(TEXT, next)];
    found.push({ column, condition: { ...base, kind: 'high', values, isInclusive: false } });
  }
  return found;
}

const LAST_CODE_POINT = 0x10ffff;

/** The least text above all that begin with `prefix`, in code point order. */
function nextText(prefix: string): string | undefined {
  const points = Array.from(prefix, (char) => char.codePointAt(0) ?? 0);
  const last = points.pop();
  if (last === undefined) return undefined;
  const head = String.fromCodePoint(...points);
  if (last === LAST_CODE_POINT) return nextText(head);
  // Surrogates are no characters.
  const next = last === 0xd7ff ? 0xe000 : last + 1;
  return head + String.fromCodePoint(next);
}

/** The column, also within a change of name between text types, which leaves keys alone. */
function keyColumn(scalar: Scalar, own: ReadonlySet<ColumnId>): ColumnScalar | undefined {
  if (scalar.kind === 'column') return own.has(scalar.id) ? scalar : undefined;
  if (scalar.kind !== 'cast' || !scalar.cast.isRelabel) return undefined;
  const column = keyColumn(scalar.operand, own);
  return column !== undefined && fits(column.type, scalar.type) ? column : undefined;
}

function isOutside(scalar: Scalar, own: ReadonlySet<ColumnId>): boolean {
  for (const id of columnsIn(scalar)) if (own.has(id)) return false;
  return !isVolatile(scalar);
}

const TEXTS: ReadonlySet<TypeName> = new Set(['text', 'varchar', 'name']);

/** Whether values of a type can be made keys of a column so that they compare as the operator compares them. */
function fits(column: SqlType, value: SqlType): boolean {
  if (column.name === value.name) return true;
  if (isIntegerType(column) && isIntegerType(value)) return true;
  return TEXTS.has(column.name) && TEXTS.has(value.name);
}

// -- paths --------------------------------------------------------------------------------------------------------

function pathOf(
  scan: ScanRel,
  index: IndexDescriptor,
  conditions: ReadonlyMap<ColumnId, readonly Condition[]>,
  wish: OrderWish | undefined,
): AccessPath {
  const isPrimary = index === scan.table.primary;
  const covered = new Set<Scalar>();
  const cover = (condition: Condition | undefined): void => {
    if (condition?.isExact === true) covered.add(condition.conjunct);
  };
  const equal: KeyPart[] = [];
  let combinations = 1;
  let rows = TABLE_ROWS;
  for (const column of index.columns) {
    const known = conditions.get(idOf(scan, column)) ?? [];
    // The fewest values; what else is known of the column is checked afterwards.
    const [chosen] = known
      .filter((c) => c.kind === 'equal' && c.values.length * combinations <= COMBINATIONS_MAX)
      .sort((a, b) => a.values.length - b.values.length);
    if (chosen === undefined) break;
    equal.push({ values: chosen.values });
    combinations *= chosen.values.length;
    rows = Math.max(1, rows * EQUAL_FRACTION) * chosen.values.length;
    cover(chosen);
  }
  const isPoint =
    index.isUnique &&
    equal.length === index.columns.length &&
    equal.every((part) => !part.values.includes(undefined));
  if (isPoint) rows = combinations;
  const next = index.columns[equal.length];
  const known = next === undefined ? [] : (conditions.get(idOf(scan, next)) ?? []);
  const low = known.find((c) => c.kind === 'low');
  const high = known.find((c) => c.kind === 'high');
  [low, high].forEach(cover);
  if (low !== undefined && high !== undefined) rows *= RANGE_FRACTION;
  else if (low !== undefined || high !== undefined) rows *= OPEN_RANGE_FRACTION;
  const order = wish === undefined ? undefined : orderOf(scan, index, equal, wish.keys);
  return {
    ...{ index, isPrimary, equal, isPoint, covered, rows: Math.max(1, rows) },
    low: boundOf(low),
    high: boundOf(high),
    isReverse: order === 'reverse',
    isOrdered: order !== undefined,
  };
}

function boundOf(condition: Condition | undefined): Bound | undefined {
  const expr = condition?.values[0];
  return condition === undefined || expr === undefined
    ? undefined
    : { expr, isInclusive: condition.isInclusive };
}

function idOf(scan: ScanRel, column: IndexColumn): ColumnId {
  return scan.columns[ordinalIn(scan, column)]?.id ?? -1;
}

function ordinalIn(scan: ScanRel, column: IndexColumn): number {
  return scan.table.columns.findIndex((candidate) => candidate.id === column.columnId);
}

/** Whether reading the index one way or the other gives the order of the keys. */
function orderOf(
  scan: ScanRel,
  index: IndexDescriptor,
  equal: readonly KeyPart[],
  keys: readonly SortKeyRel[],
): 'forward' | 'reverse' | undefined {
  if (keys.length === 0) return 'forward';
  const fixed = new Set<ColumnId>();
  const { primary } = scan.table;
  const order: IndexColumn[] = [];
  index.columns.forEach((column, i) => {
    if (equal[i]?.values.length === 1) fixed.add(idOf(scan, column));
    else order.push(column);
  });
  // Entries of the same values are told apart, and ordered, by the primary key.
  if (!index.isUnique) order.push(...primary.columns.filter((c) => !fixed.has(idOf(scan, c))));
  let direction: 'forward' | 'reverse' | undefined;
  let at = 0;
  for (const key of keys) {
    const { expr } = key;
    if (expr.kind !== 'column') return undefined;
    if (fixed.has(expr.id)) continue;
    const column = order[at++];
    // Behind all columns of a unique index nothing is left to order.
    if (column === undefined) return index === primary || !index.isUnique ? direction : undefined;
    if (idOf(scan, column) !== expr.id) return undefined;
    const isNotNull = scan.table.columns[ordinalIn(scan, column)]?.isNotNull === true;
    const wanted = column.isDescending === key.isDescending ? 'forward' : 'reverse';
    const nullsFirst = wanted === 'forward' ? column.isNullsFirst : !column.isNullsFirst;
    if (!isNotNull && nullsFirst !== key.isNullsFirst) return undefined;
    if (direction !== undefined && direction !== wanted) return undefined;
    direction = wanted;
  }
  return direction ?? 'forward';
}
