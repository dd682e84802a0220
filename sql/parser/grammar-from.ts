/**
 * FROM: tables, subqueries, functions, and joins of them.
 *
 * What stands in parentheses may be a query or joined tables, which shows only later when parentheses are doubled:
 * `parenthesizedSource` therefore returns either, and whoever needs a table gives a query its alias.
 */
import type {
  Expr,
  FromItem,
  FunctionTable,
  Identifier,
  Join,
  QualifiedName,
  Query,
  TableAlias,
  TableRef,
  TypeName,
} from './ast.ts';
import { OperandGrammar } from './grammar-operand.ts';
import { valueOf } from './grammar-base.ts';
import type { Rule } from './grammar-base.ts';
import * as T from './tokens.ts';
import { K } from './tokens.ts';

interface FunctionAlias {
  readonly alias: TableAlias | undefined;
  readonly columnDefinitions: FunctionTable['columnDefinitions'];
}

const CONTINUES_QUERY: ReadonlySet<unknown> = new Set([
  K.union,
  K.intersect,
  K.except,
  K.order,
  K.limit,
  K.offset,
  K.fetch,
  K.for,
]);

export abstract class FromGrammar extends OperandGrammar {
  protected readonly fromList: Rule<FromItem[]> = this.RULE('fromList', (): FromItem[] => {
    const items: FromItem[] = [];
    this.AT_LEAST_ONE_SEP({
      SEP: T.Comma,
      DEF: () => {
        items.push(this.SUBRULE(this.fromItem));
      },
    });
    return items;
  });

  protected readonly fromItem: Rule<FromItem> = this.RULE('fromItem', (): FromItem => {
    const outer = this.enter();
    const first = this.SUBRULE(this.tableSource);
    const item = this.SUBRULE(this.joins, { ARGS: [first] });
    this.leave(outer);
    return item;
  });

  protected readonly joins: Rule<FromItem, [first: FromItem]> = this.RULE(
    'joins',
    (first: FromItem): FromItem => {
      let left = first;
      this.MANY(() => {
        left = this.SUBRULE(this.join, { ARGS: [left] });
        this.grow();
      });
      return left;
    },
  );

  protected readonly join: Rule<Join, [left: FromItem]> = this.RULE(
    'join',
    (left: FromItem): Join => {
      const position = this.here();
      const natural = this.OPTION(() => this.CONSUME(K.natural)) !== undefined;
      const joinType = this.SUBRULE(this.joinType);
      if (natural && joinType === 'cross') throw this.syntaxErrorAt(this.LA(0));
      this.CONSUME(K.join);
      const source = this.SUBRULE(this.tableSource);
      const rest = { joinType, natural, left, alias: undefined, position };
      if (natural || joinType === 'cross') {
        if (!this.RECORDING_PHASE) {
          return { kind: 'join', ...rest, right: source, on: undefined, using: [] };
        }
      }
      // `a JOIN b JOIN c ON ... ON ...`: the condition of the first join comes last.
      const nested = this.OPTION1({
        GATE: () => !this.isNext(K.on) && !this.isNext(K.using),
        DEF: () => this.SUBRULE(this.nestedJoin, { ARGS: [source] }),
      });
      const right = nested ?? source;
      const condition = this.SUBRULE(this.joinCondition);
      return { kind: 'join', ...rest, right, ...condition };
    },
  );

  /** Joins up to the condition of the join around them. */
  protected readonly nestedJoin: Rule<FromItem, [left: FromItem]> = this.RULE(
    'nestedJoin',
    (left: FromItem): FromItem => {
      const outer = this.enter();
      let item = left;
      this.AT_LEAST_ONE(() => {
        item = this.SUBRULE(this.join, { ARGS: [item] });
        this.grow();
      });
      this.leave(outer);
      return item;
    },
  );

  protected readonly joinType: Rule<Join['joinType']> = this.RULE(
    'joinType',
    (): Join['joinType'] => {
      let joinType: Join['joinType'] = 'inner';
      this.OPTION(() => {
        joinType = this.OR<Join['joinType']>([
          { ALT: () => (this.CONSUME(K.inner), 'inner') },
          { ALT: () => (this.CONSUME(K.cross), 'cross') },
          { ALT: () => (this.CONSUME(K.left), 'left') },
          { ALT: () => (this.CONSUME(K.right), 'right') },
          { ALT: () => (this.CONSUME(K.full), 'full') },
        ]);
      });
      this.OPTION1({
        GATE: () => joinType !== 'inner' && joinType !== 'cross',
        DEF: () => this.CONSUME(K.outer),
      });
      return joinType;
    },
  );

  protected readonly joinCondition: Rule<Pick<Join, 'on' | 'using'>> = this.RULE(
    'joinCondition',
    (): Pick<Join, 'on' | 'using'> =>
      this.OR<Pick<Join, 'on' | 'using'>>([
        {
          ALT: () => {
            this.CONSUME(K.on);
            return { on: this.SUBRULE(this.expr), using: [] as Identifier[] };
          },
        },
        {
          ALT: () => {
            this.CONSUME(K.using);
            const using = this.SUBRULE(this.parenthesizedNames);
            this.OPTION(() => {
              const token = this.CONSUME(K.as);
              this.refuse(token.startOffset, 'an alias of JOIN ... USING');
            });
            return { on: undefined, using };
          },
        },
      ]),
  );

  /** One table, function, subquery, or join in parentheses. */
  protected readonly tableSource: Rule<FromItem> = this.RULE('tableSource', (): FromItem => {
    const item = this.OR<FromItem>([
      { ALT: () => this.SUBRULE(this.lateralSource) },
      {
        ALT: () => {
          const position = this.here();
          const content = this.SUBRULE(this.parenthesizedSource);
          const alias = this.OPTION(() => this.SUBRULE(this.alias));
          return this.#toSource(content, false, alias, position);
        },
      },
      { GATE: () => this.isNext(K.only), ALT: () => this.SUBRULE(this.relation) },
      { ALT: () => this.SUBRULE(this.namedSource) },
    ]);
    this.OPTION1(() => this.refuse(this.CONSUME(K.tablesample).startOffset, 'TABLESAMPLE'));
    return item;
  });

  #toSource(
    content: Query | FromItem,
    lateral: boolean,
    alias: TableAlias | undefined,
    position: number,
  ): FromItem {
    if (this.RECORDING_PHASE) return content as FromItem;
    if (content.kind !== 'query') {
      return alias !== undefined && content.kind === 'join' ? { ...content, alias } : content;
    }
    if (alias === undefined) {
      const what = content.body.kind === 'values' ? 'VALUES' : 'subquery';
      const example = content.body.kind === 'values' ? 'VALUES ...' : 'SELECT ...';
      const hint = `For example, FROM (${example}) [AS] foo.`;
      throw this.errorAt(position, `${what} in FROM must have an alias`, hint);
    }
    return { kind: 'derived table', query: content, lateral, alias, position };
  }

  protected readonly lateralSource: Rule<FromItem> = this.RULE('lateralSource', (): FromItem => {
    this.CONSUME(K.lateral);
    const position = this.here();
    return this.OR<FromItem>([
      {
        ALT: () => {
          this.CONSUME(T.LeftParen);
          const query = this.SUBRULE(this.query);
          this.CONSUME(T.RightParen);
          const alias = this.OPTION(() => this.SUBRULE(this.alias));
          return this.#toSource(query, true, alias, position);
        },
      },
      {
        ALT: () => {
          const parts = this.SUBRULE(this.sourceName);
          return this.SUBRULE(this.functionSource, { ARGS: [parts, true, position] });
        },
      },
    ]);
  });

  protected readonly parenthesizedSource: Rule<Query | FromItem> = this.RULE(
    'parenthesizedSource',
    (): Query | FromItem => {
      const outer = this.enter();
      const position = this.here();
      this.CONSUME(T.LeftParen);
      const content = this.OR<Query | FromItem>([
        { GATE: () => this.isQueryNext(), ALT: () => this.SUBRULE(this.query) },
        {
          GATE: () => this.isNext(T.LeftParen),
          ALT: () => this.SUBRULE(this.doubledSource, { ARGS: [position] }),
        },
        {
          ALT: () => {
            const first = this.SUBRULE(this.tableSource);
            return this.SUBRULE(this.requiredJoins, { ARGS: [first] });
          },
        },
      ]);
      this.CONSUME(T.RightParen);
      this.leave(outer);
      return content;
    },
  );

  /** A table alone may not stand in parentheses. */
  protected readonly requiredJoins: Rule<FromItem, [first: FromItem]> = this.RULE(
    'requiredJoins',
    (first: FromItem): FromItem => {
      const item = this.SUBRULE(this.joins, { ARGS: [first] });
      if (!this.RECORDING_PHASE && item === first) throw this.syntaxErrorAt(this.LA(1));
      return item;
    },
  );

  /** What stands in the outer of two parentheses: a query that goes on, or tables. */
  protected readonly doubledSource: Rule<Query | FromItem, [position: number]> = this.RULE(
    'doubledSource',
    (position: number): Query | FromItem => {
      const content = this.SUBRULE(this.parenthesizedSource);
      if (!this.RECORDING_PHASE && content.kind === 'query' && this.isNext(T.RightParen)) {
        return content;
      }
      const query = this.OPTION({
        GATE: () => content.kind === 'query' && CONTINUES_QUERY.has(this.LA(1).tokenType),
        DEF: () => this.SUBRULE(this.queryAfter, { ARGS: [content as Query, undefined, position] }),
      });
      if (!this.RECORDING_PHASE && query !== undefined) return query;
      const alias = this.OPTION1(() => this.SUBRULE(this.alias));
      const first = this.#toSource(content, false, alias, position);
      return this.SUBRULE(this.joins, { ARGS: [first] });
    },
  );

  protected readonly sourceName: Rule<string[]> = this.RULE('sourceName', (): string[] =>
    this.OR<string[]>([
      { ALT: () => this.SUBRULE(this.dottedName) },
      { ALT: () => [valueOf(this.CONSUME(T.TypeFunctionKeyword))] },
    ]),
  );

  /** A table or a function. */
  protected readonly namedSource: Rule<FromItem> = this.RULE('namedSource', (): FromItem => {
    const position = this.here();
    if (this.isNext(K.rows) && this.isSecond(K.from)) this.refuse(position, 'ROWS FROM');
    const isFunctionWord = T.TYPE_FUNCTION_KEYWORDS.has(this.LA(1).tokenType);
    const parts = this.SUBRULE(this.sourceName);
    const call = this.OPTION({
      GATE: () => this.isNext(T.LeftParen),
      DEF: () => this.SUBRULE(this.functionSource, { ARGS: [parts, false, position] }),
    });
    if (!this.RECORDING_PHASE && call !== undefined) return call;
    if (isFunctionWord) throw this.syntaxErrorAt(this.LA(1));
    this.OPTION1(() => this.CONSUME(T.Star));
    const alias = this.OPTION2(() => this.SUBRULE(this.alias));
    const name = this.toQualifiedName(parts, position);
    return { kind: 'table ref', name, only: false, alias, position };
  });

  protected readonly functionSource: Rule<
    FunctionTable,
    [parts: readonly string[], lateral: boolean, position: number]
  > = this.RULE(
    'functionSource',
    (parts: readonly string[], lateral: boolean, position: number): FunctionTable => {
      const call = this.SUBRULE(this.callTail, { ARGS: [parts, position] });
      const withOrdinality = this.OPTION(() => {
        this.CONSUME(K.with);
        this.CONSUME(K.ordinality);
        return true;
      });
      const names = this.OPTION1({
        GATE: () => this.isNext(K.as) || T.COLUMN_NAMES.has(this.LA(1).tokenType),
        DEF: () => this.SUBRULE(this.functionAlias),
      });
      return {
        kind: 'function table',
        call,
        lateral,
        withOrdinality: withOrdinality === true,
        alias: names?.alias,
        columnDefinitions: names?.columnDefinitions ?? [],
        position,
      };
    },
  );

  /** `[AS] t`, `[AS] t (a, b)`, `[AS] t (a int, b text)`, `AS (a int)` */
  protected readonly functionAlias: Rule<FunctionAlias> = this.RULE(
    'functionAlias',
    (): FunctionAlias => {
      const position = this.here();
      const as = this.OPTION(() => this.CONSUME(K.as));
      const name = this.OPTION1(() => valueOf(this.CONSUME(T.ColumnName)));
      if (name === undefined && as === undefined) throw this.syntaxErrorAt(this.LA(1));
      const columns: { name: string; type: TypeName | undefined }[] = [];
      this.OPTION2(() => {
        this.CONSUME(T.LeftParen);
        this.AT_LEAST_ONE_SEP({
          SEP: T.Comma,
          DEF: () => {
            const column = valueOf(this.CONSUME1(T.ColumnName));
            const type = this.OPTION3(() => this.SUBRULE(this.typeName));
            columns.push({ name: column, type });
          },
        });
        this.CONSUME(T.RightParen);
      });
      if (name === undefined && columns.length === 0) throw this.syntaxErrorAt(this.LA(1));
      const typed = columns.flatMap(({ name: column, type }) =>
        type === undefined ? [] : [{ name: column, type }],
      );
      const bare = columns.filter((column) => column.type === undefined);
      if (typed.length > 0 && bare.length > 0) throw this.syntaxErrorAt(this.LA(0));
      const aliasColumns = bare.map((column) => column.name);
      const alias = name === undefined ? undefined : { name, columns: aliasColumns, position };
      return { alias, columnDefinitions: typed };
    },
  );

  protected readonly alias: Rule<TableAlias> = this.RULE('alias', (): TableAlias => {
    this.OPTION(() => this.CONSUME(K.as));
    const { name, position } = this.SUBRULE(this.identifier);
    const columns = this.OPTION1(() => this.SUBRULE(this.parenthesizedNames)) ?? [];
    return { name, columns: this.list(columns).map((column) => column.name), position };
  });

  /** `[ONLY] t [*] [alias]`, as UPDATE and DELETE have it; SET is no alias. */
  protected readonly relation: Rule<TableRef> = this.RULE('relation', (): TableRef => {
    const table = this.SUBRULE(this.bareRelation);
    const alias = this.OPTION({
      GATE: () => !this.isNext(K.set),
      DEF: () => this.SUBRULE(this.alias),
    });
    return { ...table, alias };
  });

  /** `t`, `t *`, `ONLY t`, `ONLY (t)` */
  protected readonly bareRelation: Rule<TableRef> = this.RULE('bareRelation', (): TableRef => {
    const position = this.here();
    const only = this.OPTION(() => this.CONSUME(K.only)) !== undefined;
    const name = this.OR<QualifiedName>([
      {
        GATE: () => only,
        ALT: () => {
          this.CONSUME(T.LeftParen);
          const inner = this.SUBRULE(this.qualifiedName);
          this.CONSUME(T.RightParen);
          return inner;
        },
      },
      { ALT: () => this.SUBRULE1(this.qualifiedName) },
    ]);
    this.OPTION1(() => this.CONSUME(T.Star));
    return { kind: 'table ref', name, only, alias: undefined, position };
  });

  /** A condition, or the cursor of WHERE CURRENT OF. */
  protected readonly rowFilter: Rule<{ where: Expr | undefined; cursor: string | undefined }> =
    this.RULE('rowFilter', (): { where: Expr | undefined; cursor: string | undefined } => {
      this.CONSUME(K.where);
      let cursor: string | undefined;
      let where: Expr | undefined;
      this.OR([
        {
          GATE: () => this.isNext(K.current) && this.isSecond(K.of),
          ALT: () => {
            this.CONSUME(K.current);
            this.CONSUME(K.of);
            cursor = this.SUBRULE(this.identifier).name;
          },
        },
        {
          ALT: () => {
            where = this.SUBRULE(this.expr);
          },
        },
      ]);
      return { where, cursor };
    });
}
