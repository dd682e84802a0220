/**
 * The syntax tree: immutable tagged values, one per construct, made by the grammar and never changed afterwards. It
 * says what was written, not what it means: names are not resolved, types not checked, `*` not expanded.
 *
 * Conventions
 * - `position` is the 0-based offset (UTF-16 units) of the node in the text given to `parseStatements`, at the place
 *   where Postgres would put its error cursor: an operator's node points at the operator, a cast's at `::` or `CAST`,
 *   everything else at its first token. `errorPosition` (sql/errors) makes the wire's position of it.
 * - Identifiers are already folded to lower case unless quoted. Optional parts are present and `undefined`, lists
 *   are present and empty, so that nodes of one kind share a shape.
 * - Special call syntax becomes the function call that Postgres makes of it (see `FunctionCall`).
 */

/** `[catalog.][schema.]name` */
export interface QualifiedName {
  readonly catalog: string | undefined;
  readonly schema: string | undefined;
  readonly name: string;
  readonly position: number;
}

/** A plain identifier with its place. */
export interface Identifier {
  readonly name: string;
  readonly position: number;
}

/**
 * A type as written. The types that have words of their own arrive under their catalog name with schema
 * 'pg_catalog': int2 int4 int8 float4 float8 numeric bool bpchar varchar bit varbit time timetz timestamp timestamptz
 * interval (`char` without length is bpchar with modifiers [1]; `float(n)` is resolved to float4 or float8).
 * All others keep the name written ('text', 'serial', '"char"' as 'char' without schema, ...).
 */
export interface TypeName {
  readonly schema: string | undefined;
  readonly name: string;
  /** Of varchar(n), numeric(p, s), timestamp(p): constants in practice, anything in the grammar. */
  readonly modifiers: readonly Expr[];
  /** `year to month` and the like of interval, as words in lower case joined by a space. */
  readonly intervalFields: string | undefined;
  /** Number of `[]`; 0 is a scalar type. */
  readonly arrayDimensions: number;
  readonly position: number;
}

// ---------------------------------------------------------------------------------------------------------------
// Expressions
export type Expr =
  | NumberLiteral
  | StringLiteral
  | BitStringLiteral
  | BooleanLiteral
  | NullLiteral
  | Parameter
  | ColumnRef
  | StarRef
  | FieldAccess
  | Subscript
  | UnaryOperation
  | BinaryOperation
  | Not
  | LogicalOperation
  | IsNull
  | IsBoolean
  | IsDistinct
  | Between
  | InList
  | InSubquery
  | Like
  | Quantified
  | Cast
  | Collate
  | Case
  | Coalesce
  | NullIf
  | MinMax
  | FunctionCall
  | SqlValueFunction
  | Exists
  | ScalarSubquery
  | ArraySubquery
  | ArrayConstructor
  | RowConstructor
  | DefaultMarker;

/** Without sign. `text` as written: digits, point, exponent. An integer beyond int8 is numeric, as in Postgres. */
export interface NumberLiteral {
  readonly kind: 'number';
  readonly text: string;
  /** Digits only: int4, int8 or numeric by size; otherwise numeric. */
  readonly isInteger: boolean;
  readonly position: number;
}
/** Of type unknown until its context says more. Escapes and dollar quoting are already resolved. */
export interface StringLiteral {
  readonly kind: 'string';
  readonly value: string;
  readonly position: number;
}
/** `b'01'` or `x'1f'`. */
export interface BitStringLiteral {
  readonly kind: 'bit string';
  readonly base: 'b' | 'x';
  readonly digits: string;
  readonly position: number;
}
export interface BooleanLiteral {
  readonly kind: 'boolean';
  readonly value: boolean;
  readonly position: number;
}
export interface NullLiteral {
  readonly kind: 'null';
  readonly position: number;
}
/** `$1` has index 1. */
export interface Parameter {
  readonly kind: 'parameter';
  readonly index: number;
  readonly position: number;
}

/** `a`, `t.a`, `s.t.a`, `c.s.t.a`: at least one part. */
export interface ColumnRef {
  readonly kind: 'column ref';
  readonly parts: readonly string[];
  readonly position: number;
}
/** `t.*` inside an expression (`count(t.*)`, `row(t.*)`); in a select list it is a `SelectStar`. */
export interface StarRef {
  readonly kind: 'star ref';
  readonly qualifier: readonly string[];
  readonly position: number;
}
/** `(expression).name`; `name` undefined is `(expression).*`. */
export interface FieldAccess {
  readonly kind: 'field';
  readonly operand: Expr;
  readonly name: string | undefined;
  readonly position: number;
}
/** `a[upper]`, or `a[lower:upper]` with `isSlice`. */
export interface Subscript {
  readonly kind: 'subscript';
  readonly operand: Expr;
  readonly isSlice: boolean;
  readonly lower: Expr | undefined;
  readonly upper: Expr | undefined;
  readonly position: number;
}

/** `operator` is the symbol, `<>` for `!=`. `schema` only with OPERATOR(schema.op). */
export interface UnaryOperation {
  readonly kind: 'unary';
  readonly operator: string;
  readonly schema: string | undefined;
  readonly operand: Expr;
  readonly position: number;
}
/** Comparison, arithmetic, `||`, `~`, and every other operator symbol. */
export interface BinaryOperation {
  readonly kind: 'binary';
  readonly operator: string;
  readonly schema: string | undefined;
  readonly left: Expr;
  readonly right: Expr;
  readonly position: number;
}
export interface Not {
  readonly kind: 'not';
  readonly operand: Expr;
  readonly position: number;
}
/** Flattened: `a AND b AND c` is one node of three operands. At least two. */
export interface LogicalOperation {
  readonly kind: 'and' | 'or';
  readonly operands: readonly Expr[];
  readonly position: number;
}

/** `IS [NOT] NULL`, `ISNULL`, `NOTNULL` */
export interface IsNull {
  readonly kind: 'is null';
  readonly operand: Expr;
  readonly negated: boolean;
  readonly position: number;
}
/** `IS [NOT] TRUE | FALSE | UNKNOWN`; unknown is value undefined. */
export interface IsBoolean {
  readonly kind: 'is boolean';
  readonly operand: Expr;
  readonly value: boolean | undefined;
  readonly negated: boolean;
  readonly position: number;
}
export interface IsDistinct {
  readonly kind: 'is distinct';
  readonly left: Expr;
  readonly right: Expr;
  readonly negated: boolean;
  readonly position: number;
}
export interface Between {
  readonly kind: 'between';
  readonly operand: Expr;
  readonly low: Expr;
  readonly high: Expr;
  readonly symmetric: boolean;
  readonly negated: boolean;
  readonly position: number;
}
export interface InList {
  readonly kind: 'in list';
  readonly operand: Expr;
  readonly items: readonly Expr[];
  readonly negated: boolean;
  readonly position: number;
}
export interface InSubquery {
  readonly kind: 'in subquery';
  readonly operand: Expr;
  readonly query: Query;
  readonly negated: boolean;
  readonly position: number;
}
export interface Like {
  readonly kind: 'like';
  readonly operand: Expr;
  readonly pattern: Expr;
  readonly escape: Expr | undefined;
  readonly caseInsensitive: boolean;
  readonly negated: boolean;
  readonly position: number;
}
/** `left operator ANY|ALL (array or subquery)`; SOME is any. `LIKE ANY` has operator `~~`, `!~~`, `~~*`, `!~~*`. */
export interface Quantified {
  readonly kind: 'quantified';
  readonly operator: string;
  readonly schema: string | undefined;
  readonly left: Expr;
  readonly quantifier: 'any' | 'all';
  readonly right: Expr | Query;
  readonly position: number;
}

/** `x::type`, `CAST(x AS type)`, and typed literals: `date '2024-01-01'` is a cast of a string literal, as in Postgres. */
export interface Cast {
  readonly kind: 'cast';
  readonly operand: Expr;
  readonly type: TypeName;
  readonly position: number;
}
export interface Collate {
  readonly kind: 'collate';
  readonly operand: Expr;
  readonly collation: QualifiedName;
  readonly position: number;
}
export interface CaseBranch {
  readonly when: Expr;
  readonly then: Expr;
}
export interface Case {
  readonly kind: 'case';
  readonly operand: Expr | undefined;
  readonly branches: readonly CaseBranch[];
  readonly otherwise: Expr | undefined;
  readonly position: number;
}
export interface Coalesce {
  readonly kind: 'coalesce';
  readonly operands: readonly Expr[];
  readonly position: number;
}
export interface NullIf {
  readonly kind: 'nullif';
  readonly left: Expr;
  readonly right: Expr;
  readonly position: number;
}
export interface MinMax {
  readonly kind: 'greatest' | 'least';
  readonly operands: readonly Expr[];
  readonly position: number;
}

/**
 * A function or aggregate call. Special syntax arrives as Postgres rewrites it, with schema 'pg_catalog':
 * `EXTRACT(f FROM x)` extract('f', x); `SUBSTRING(x FROM a FOR b)` substring(x, a, b) (`FOR b` alone: a is 1);
 * `POSITION(a IN b)` position(b, a); `OVERLAY(x PLACING y FROM a FOR b)` overlay(x, y, a, b);
 * `TRIM([BOTH|LEADING|TRAILING] [c FROM] x)` btrim|ltrim|rtrim(x[, c]); `x AT TIME ZONE z` timezone(z, x).
 */
export interface FunctionCall {
  readonly kind: 'function call';
  readonly schema: string | undefined;
  readonly name: string;
  readonly args: readonly Expr[];
  /** Same length as `args` when any argument is named (`name => value`); else empty. */
  readonly argNames: readonly (string | undefined)[];
  /** `count(*)` */
  readonly isStar: boolean;
  readonly isDistinct: boolean;
  /** The last argument is preceded by VARIADIC. */
  readonly isVariadic: boolean;
  readonly orderBy: readonly SortItem[];
  readonly withinGroup: readonly SortItem[];
  readonly filter: Expr | undefined;
  readonly over: WindowSpec | undefined;
  readonly position: number;
}
/** Kept only so that it can be refused by name; the frame is not kept. */
export interface WindowSpec {
  readonly name: string | undefined;
  readonly partitionBy: readonly Expr[];
  readonly orderBy: readonly SortItem[];
  readonly hasFrame: boolean;
  readonly position: number;
}

/** Called without parentheses. `user` is current_user. */
export interface SqlValueFunction {
  readonly kind: 'sql value function';
  readonly name:
    | 'current_date'
    | 'current_time'
    | 'current_timestamp'
    | 'localtime'
    | 'localtimestamp'
    | 'current_user'
    | 'session_user'
    | 'current_role'
    | 'current_catalog'
    | 'current_schema';
  /** Fractional digits: `CURRENT_TIMESTAMP(3)`. */
  readonly precision: number | undefined;
  readonly position: number;
}

export interface Exists {
  readonly kind: 'exists';
  readonly query: Query;
  readonly position: number;
}
export interface ScalarSubquery {
  readonly kind: 'scalar subquery';
  readonly query: Query;
  readonly position: number;
}
/** `ARRAY(SELECT ...)` */
export interface ArraySubquery {
  readonly kind: 'array subquery';
  readonly query: Query;
  readonly position: number;
}
/** `ARRAY[1, 2]`; nested lists are nested nodes. */
export interface ArrayConstructor {
  readonly kind: 'array';
  readonly elements: readonly Expr[];
  readonly position: number;
}
/** `ROW(...)`, or `(a, b)` with two fields or more. */
export interface RowConstructor {
  readonly kind: 'row';
  readonly fields: readonly Expr[];
  readonly position: number;
}
/** `DEFAULT`, only in VALUES of INSERT and in SET of UPDATE; refused by the parser's callers elsewhere. */
export interface DefaultMarker {
  readonly kind: 'default';
  readonly position: number;
}

// ---------------------------------------------------------------------------------------------------------------
// Queries
/**
 * `[WITH ...] body [ORDER BY] [LIMIT] [OFFSET] [FOR ...]`: both a statement and what stands in parentheses elsewhere.
 * `TABLE t` is `SELECT * FROM t`. FETCH FIRST n is limit.
 */
export interface Query {
  readonly kind: 'query';
  readonly with: WithClause | undefined;
  readonly body: QueryBody;
  readonly orderBy: readonly SortItem[];
  /** Undefined also for LIMIT ALL. */
  readonly limit: Expr | undefined;
  readonly offset: Expr | undefined;
  /** FETCH FIRST n ROWS WITH TIES */
  readonly withTies: boolean;
  readonly locking: readonly LockingClause[];
  readonly position: number;
}

/** A `Query` as a body is an operand in parentheses of a set operation, with clauses of its own. */
export type QueryBody = Select | Values | SetOperation | Query;

export interface Select {
  readonly kind: 'select';
  /** DISTINCT is 'all'; DISTINCT ON (...) the expressions. */
  readonly distinct: 'all' | readonly Expr[] | undefined;
  readonly items: readonly SelectItem[];
  /** Comma separated; empty without FROM. */
  readonly from: readonly FromItem[];
  readonly where: Expr | undefined;
  readonly groupBy: readonly Expr[];
  readonly having: Expr | undefined;
  readonly position: number;
}
export type SelectItem = SelectExpr | SelectStar;
export interface SelectExpr {
  readonly kind: 'select expr';
  readonly expr: Expr;
  readonly alias: string | undefined;
  readonly position: number;
}
/** `*` (empty qualifier) or `t.*`, `s.t.*` */
export interface SelectStar {
  readonly kind: 'select star';
  readonly qualifier: readonly string[];
  readonly position: number;
}

/** Rows may be of unequal length here: the binder says 42601 `VALUES lists must all be the same length`. */
export interface Values {
  readonly kind: 'values';
  readonly rows: readonly (readonly Expr[])[];
  readonly position: number;
}
/** Left-deep; INTERSECT binds tighter. */
export interface SetOperation {
  readonly kind: 'set operation';
  readonly operator: 'union' | 'intersect' | 'except';
  readonly all: boolean;
  readonly left: QueryBody;
  readonly right: QueryBody;
  readonly position: number;
}

export interface SortItem {
  readonly expr: Expr;
  readonly descending: boolean;
  /** Undefined: Postgres' default, last when ascending, first when descending. */
  readonly nullsFirst: boolean | undefined;
  /** `USING <operator>` instead of ASC or DESC. */
  readonly usingOperator: string | undefined;
  readonly position: number;
}
export interface LockingClause {
  readonly strength: 'update' | 'no key update' | 'share' | 'key share';
  /** OF: aliases; empty is all tables. */
  readonly of: readonly QualifiedName[];
  readonly wait: 'block' | 'nowait' | 'skip locked';
  readonly position: number;
}
export interface WithClause {
  readonly recursive: boolean;
  readonly ctes: readonly CommonTableExpr[];
  readonly position: number;
}
export interface CommonTableExpr {
  readonly name: string;
  readonly columns: readonly string[];
  /** MATERIALIZED true, NOT MATERIALIZED false. */
  readonly materialized: boolean | undefined;
  readonly statement: Query | Insert | Update | Delete;
  readonly position: number;
}

export type FromItem = TableRef | DerivedTable | FunctionTable | Join;
export interface TableAlias {
  readonly name: string;
  readonly columns: readonly string[];
  readonly position: number;
}
export interface TableRef {
  readonly kind: 'table ref';
  readonly name: QualifiedName;
  readonly only: boolean;
  readonly alias: TableAlias | undefined;
  readonly position: number;
}
/** A subquery in FROM. Postgres 15 insists on an alias: the parser does too. */
export interface DerivedTable {
  readonly kind: 'derived table';
  readonly query: Query;
  readonly lateral: boolean;
  readonly alias: TableAlias | undefined;
  readonly position: number;
}
export interface FunctionTable {
  readonly kind: 'function table';
  readonly call: FunctionCall | SqlValueFunction | Coalesce | NullIf | MinMax | Cast;
  readonly lateral: boolean;
  readonly withOrdinality: boolean;
  readonly alias: TableAlias | undefined;
  /** `AS t(a int, b text)`: the columns with types; then `alias.columns` is empty. */
  readonly columnDefinitions: readonly { readonly name: string; readonly type: TypeName }[];
  readonly position: number;
}
export interface Join {
  readonly kind: 'join';
  readonly joinType: 'inner' | 'left' | 'right' | 'full' | 'cross';
  readonly natural: boolean;
  readonly left: FromItem;
  readonly right: FromItem;
  readonly on: Expr | undefined;
  /** Empty without USING. */
  readonly using: readonly Identifier[];
  /** `(a JOIN b ON ...) AS x` */
  readonly alias: TableAlias | undefined;
  readonly position: number;
}

// ---------------------------------------------------------------------------------------------------------------
// Statements that change rows
export interface Insert {
  readonly kind: 'insert';
  readonly with: WithClause | undefined;
  readonly table: QualifiedName;
  readonly alias: string | undefined;
  /** Empty: all columns in order. */
  readonly columns: readonly Identifier[];
  readonly overriding: 'system' | 'user' | undefined;
  /** Undefined: DEFAULT VALUES. `DefaultMarker` may stand directly in rows of a `Values` body. */
  readonly source: Query | undefined;
  readonly onConflict: OnConflict | undefined;
  readonly returning: readonly SelectItem[];
  readonly position: number;
}
export interface OnConflict {
  readonly target: ConflictColumns | ConflictConstraint | undefined;
  readonly action: 'nothing' | 'update';
  readonly set: readonly SetItem[];
  readonly where: Expr | undefined;
  readonly position: number;
}
export interface ConflictColumns {
  readonly kind: 'conflict columns';
  readonly columns: readonly IndexElement[];
  readonly where: Expr | undefined;
}
export interface ConflictConstraint {
  readonly kind: 'conflict constraint';
  readonly name: string;
  readonly position: number;
}

export type SetItem = SetColumn | SetColumns;
/** `column = value`; value may be a `DefaultMarker`. */
export interface SetColumn {
  readonly kind: 'set column';
  readonly column: Identifier;
  readonly value: Expr;
}
/** `(a, b) = (x, y)` or `= ROW(x, y)` (a row), or `= (SELECT ...)` (a scalar subquery). */
export interface SetColumns {
  readonly kind: 'set columns';
  readonly columns: readonly Identifier[];
  readonly value: Expr;
}

export interface Update {
  readonly kind: 'update';
  readonly with: WithClause | undefined;
  readonly table: TableRef;
  readonly set: readonly SetItem[];
  readonly from: readonly FromItem[];
  readonly where: Expr | undefined;
  readonly whereCurrentOf: string | undefined;
  readonly returning: readonly SelectItem[];
  readonly position: number;
}
export interface Delete {
  readonly kind: 'delete';
  readonly with: WithClause | undefined;
  readonly table: TableRef;
  readonly using: readonly FromItem[];
  readonly where: Expr | undefined;
  readonly whereCurrentOf: string | undefined;
  readonly returning: readonly SelectItem[];
  readonly position: number;
}
export interface Truncate {
  readonly kind: 'truncate';
  readonly tables: readonly QualifiedName[];
  readonly restartIdentity: boolean;
  readonly cascade: boolean;
  readonly position: number;
}

/** A column or expression of an index, also of an ON CONFLICT target. Exactly one of `column` and `expr` is given. */
export interface IndexElement {
  readonly column: string | undefined;
  readonly expr: Expr | undefined;
  readonly collation: QualifiedName | undefined;
  readonly operatorClass: QualifiedName | undefined;
  readonly descending: boolean;
  readonly nullsFirst: boolean | undefined;
  readonly position: number;
}
