/**
 * Queries: WITH, set operations, SELECT, VALUES, and what follows them. FROM is in `grammar-from.ts`.
 */
import type { IToken } from 'chevrotain';
import type {
  CommonTableExpr,
  Delete,
  Expr,
  Insert,
  LockingClause,
  Query,
  QueryBody,
  Select,
  SelectItem,
  SetOperation,
  SortItem,
  Update,
  WithClause,
} from './ast.ts';
import { POWER } from './grammar-expression.ts';
import { FromGrammar } from './grammar-from.ts';
import { valueOf } from './grammar-base.ts';
import type { Rule } from './grammar-base.ts';
import * as T from './tokens.ts';
import { K } from './tokens.ts';

/** What LIMIT, OFFSET, FETCH and FOR have said so far. */
interface Limits {
  limit: Expr | undefined;
  hasLimit: boolean;
  offset: Expr | undefined;
  withTies: boolean;
  readonly locking: LockingClause[];
}

export abstract class QueryGrammar extends FromGrammar {
  protected abstract readonly insert: Rule<Insert, [withClause: WithClause | undefined]>;
  protected abstract readonly update: Rule<Update, [withClause: WithClause | undefined]>;
  protected abstract readonly delete: Rule<Delete, [withClause: WithClause | undefined]>;

  protected readonly query: Rule<Query> = this.RULE('query', (): Query => {
    const outer = this.enter();
    const position = this.here();
    const withClause = this.OPTION(() => this.SUBRULE(this.withClause));
    const query = this.SUBRULE(this.queryRest, { ARGS: [withClause, position] });
    this.leave(outer);
    return query;
  });

  /** A query, INSERT, UPDATE or DELETE: what may be prepared, explained, or stand in WITH. */
  protected readonly dataStatement: Rule<Query | Insert | Update | Delete> = this.RULE(
    'dataStatement',
    (): Query | Insert | Update | Delete => {
      const outer = this.enter();
      const position = this.here();
      const withClause = this.OPTION(() => this.SUBRULE(this.withClause));
      const statement = this.OR<Query | Insert | Update | Delete>([
        { ALT: () => this.SUBRULE(this.queryRest, { ARGS: [withClause, position] }) },
        { ALT: () => this.SUBRULE(this.insert, { ARGS: [withClause] }) },
        { ALT: () => this.SUBRULE(this.update, { ARGS: [withClause] }) },
        { ALT: () => this.SUBRULE(this.delete, { ARGS: [withClause] }) },
      ]);
      this.leave(outer);
      return statement;
    },
  );

  protected readonly queryRest: Rule<
    Query,
    [withClause: WithClause | undefined, position: number]
  > = this.RULE('queryRest', (withClause: WithClause | undefined, position: number): Query => {
    const first = this.SUBRULE(this.queryOperand);
    return this.SUBRULE(this.queryAfter, { ARGS: [first, withClause, position] });
  });

  protected readonly queryAfter: Rule<
    Query,
    [first: QueryBody, withClause: WithClause | undefined, position: number]
  > = this.RULE(
    'queryAfter',
    (first: QueryBody, withClause: WithClause | undefined, position: number): Query => {
      const left = this.SUBRULE(this.intersections, { ARGS: [first] });
      const body = this.SUBRULE(this.unions, { ARGS: [left] });
      const orderBy = this.OPTION(() => this.SUBRULE(this.orderBy)) ?? [];
      const limits = this.SUBRULE(this.limits);
      return toQuery(withClause, body, orderBy, limits, position);
    },
  );

  protected readonly intersections: Rule<QueryBody, [first: QueryBody]> = this.RULE(
    'intersections',
    (first: QueryBody): QueryBody => {
      let left = first;
      this.MANY(() => {
        const position = this.CONSUME(K.intersect).startOffset;
        const all = this.SUBRULE(this.setQuantifier);
        const right = this.SUBRULE(this.queryOperand);
        left = { kind: 'set operation', operator: 'intersect', all, left, right, position };
        this.grow();
      });
      return left;
    },
  );

  protected readonly unions: Rule<QueryBody, [first: QueryBody]> = this.RULE(
    'unions',
    (first: QueryBody): QueryBody => {
      let left = first;
      this.MANY(() => {
        const position = this.here();
        const operator = this.OR<SetOperation['operator']>([
          { ALT: () => (this.CONSUME(K.union), 'union') },
          { ALT: () => (this.CONSUME(K.except), 'except') },
        ]);
        const all = this.SUBRULE(this.setQuantifier);
        const operand = this.SUBRULE(this.queryOperand);
        const right = this.SUBRULE(this.intersections, { ARGS: [operand] });
        left = { kind: 'set operation', operator, all, left, right, position };
        this.grow();
      });
      return left;
    },
  );

  protected readonly setQuantifier: Rule<boolean> = this.RULE('setQuantifier', (): boolean => {
    let all = false;
    this.OPTION(() => {
      all = this.OR([
        { ALT: () => (this.CONSUME(K.all), true) },
        { ALT: () => (this.CONSUME(K.distinct), false) },
      ]);
    });
    return all;
  });

  protected readonly queryOperand: Rule<QueryBody> = this.RULE('queryOperand', (): QueryBody =>
    this.OR<QueryBody>([
      { ALT: () => this.SUBRULE(this.select) },
      { ALT: () => this.SUBRULE(this.values) },
      { ALT: () => this.SUBRULE(this.tableQuery) },
      {
        ALT: () => {
          this.CONSUME(T.LeftParen);
          const query = this.SUBRULE(this.query);
          this.CONSUME(T.RightParen);
          return query;
        },
      },
    ]),
  );

  protected readonly withClause: Rule<WithClause> = this.RULE('withClause', (): WithClause => {
    const position = this.CONSUME(K.with).startOffset;
    const recursive = this.OPTION(() => this.CONSUME(K.recursive)) !== undefined;
    const ctes: CommonTableExpr[] = [];
    this.AT_LEAST_ONE_SEP({
      SEP: T.Comma,
      DEF: () => {
        ctes.push(this.SUBRULE(this.commonTableExpr));
      },
    });
    return { recursive, ctes, position };
  });

  protected readonly commonTableExpr: Rule<CommonTableExpr> = this.RULE(
    'commonTableExpr',
    (): CommonTableExpr => {
      const { name, position } = this.SUBRULE(this.identifier);
      const columns = this.OPTION(() => this.SUBRULE(this.parenthesizedNames)) ?? [];
      this.CONSUME(K.as);
      const negated = this.OPTION1(() => this.CONSUME(K.not)) !== undefined;
      const word = this.OPTION2(() => this.CONSUME(K.materialized));
      if (negated && word === undefined) throw this.syntaxErrorAt(this.LA(1));
      this.CONSUME(T.LeftParen);
      const statement = this.SUBRULE(this.dataStatement);
      this.CONSUME(T.RightParen);
      this.OPTION3(() => {
        const token = this.OR([
          { ALT: () => this.CONSUME(K.search) },
          { ALT: () => this.CONSUME(K.cycle) },
        ]);
        this.refuse(token.startOffset, `${valueOf(token).toUpperCase()} of WITH`);
      });
      const materialized = word === undefined ? undefined : !negated;
      const names = this.list(columns).map((column) => column.name);
      return { name, columns: names, materialized, statement, position };
    },
  );

  protected readonly values: Rule<QueryBody> = this.RULE('values', (): QueryBody => {
    const position = this.CONSUME(K.values).startOffset;
    return { kind: 'values', rows: this.SUBRULE(this.rowList), position };
  });

  /** `(a, b), (c, d)` */
  protected readonly rowList: Rule<Expr[][]> = this.RULE('rowList', (): Expr[][] => {
    const rows: Expr[][] = [];
    this.AT_LEAST_ONE_SEP({
      SEP: T.Comma,
      DEF: () => {
        this.CONSUME(T.LeftParen);
        rows.push(this.SUBRULE(this.expressionList));
        this.CONSUME(T.RightParen);
      },
    });
    return rows;
  });

  /** `TABLE t` is `SELECT * FROM t`. */
  protected readonly tableQuery: Rule<QueryBody> = this.RULE('tableQuery', (): QueryBody => {
    const position = this.CONSUME(K.table).startOffset;
    const table = this.SUBRULE(this.bareRelation);
    return {
      kind: 'select',
      distinct: undefined,
      items: [{ kind: 'select star', qualifier: [], position }],
      from: [table],
      where: undefined,
      groupBy: [],
      having: undefined,
      position,
    };
  });

  protected readonly select: Rule<Select> = this.RULE('select', (): Select => {
    const position = this.CONSUME(K.select).startOffset;
    let distinct: Select['distinct'];
    this.OPTION(() => {
      distinct = this.OR<Select['distinct']>([
        { ALT: () => (this.CONSUME(K.all), undefined) },
        { ALT: () => this.SUBRULE(this.distinct) },
      ]);
    });
    const items = this.OPTION1(() => this.SUBRULE(this.selectList)) ?? [];
    if (distinct !== undefined && items.length === 0) throw this.syntaxErrorAt(this.LA(1));
    this.OPTION2(() => {
      const token = this.CONSUME(K.into);
      this.refuse(token.startOffset, 'SELECT INTO', 'Use CREATE TABLE ... AS.');
    });
    const from = this.OPTION3(() => {
      this.CONSUME(K.from);
      return this.SUBRULE(this.fromList);
    });
    const where = this.OPTION4(() => this.SUBRULE(this.whereClause));
    const groupBy = this.OPTION5(() => this.SUBRULE(this.groupBy));
    const having = this.OPTION6(() => {
      this.CONSUME(K.having);
      return this.SUBRULE(this.expr);
    });
    this.OPTION7(() => this.refuse(this.CONSUME(K.window).startOffset, 'WINDOW'));
    const rest = { from: from ?? [], where, groupBy: groupBy ?? [], having, position };
    return { kind: 'select', distinct, items, ...rest };
  });

  protected readonly distinct: Rule<'all' | Expr[]> = this.RULE('distinct', (): 'all' | Expr[] => {
    this.CONSUME(K.distinct);
    const on = this.OPTION(() => {
      this.CONSUME(K.on);
      this.CONSUME(T.LeftParen);
      const list = this.SUBRULE(this.expressionList);
      this.CONSUME(T.RightParen);
      return list;
    });
    return on ?? 'all';
  });

  protected readonly whereClause: Rule<Expr> = this.RULE('whereClause', (): Expr => {
    this.CONSUME(K.where);
    return this.SUBRULE(this.expr);
  });

  protected readonly groupBy: Rule<Expr[]> = this.RULE('groupBy', (): Expr[] => {
    this.CONSUME(K.group);
    this.CONSUME(K.by);
    this.OPTION(() => {
      this.OR([
        { ALT: () => this.CONSUME(K.all) },
        {
          ALT: () => this.refuse(this.CONSUME(K.distinct).startOffset, 'GROUP BY DISTINCT'),
        },
      ]);
    });
    if (this.isNext(K.grouping) && this.isSecond(K.sets)) {
      this.refuse(this.here(), 'GROUPING SETS', 'Use UNION ALL of several queries.');
    }
    const list = this.SUBRULE(this.expressionList);
    for (const item of this.list(list)) {
      if (item.kind !== 'function call' || item.schema !== undefined) continue;
      if (item.name === 'rollup' || item.name === 'cube') {
        this.refuse(item.position, item.name.toUpperCase(), 'Use UNION ALL of several queries.');
      }
    }
    return list;
  });

  protected readonly selectList: Rule<SelectItem[]> = this.RULE('selectList', (): SelectItem[] => {
    const items: SelectItem[] = [];
    this.AT_LEAST_ONE_SEP({
      SEP: T.Comma,
      DEF: () => {
        items.push(this.SUBRULE(this.selectItem));
      },
    });
    return items;
  });

  protected readonly selectItem: Rule<SelectItem> = this.RULE('selectItem', (): SelectItem =>
    this.OR<SelectItem>([
      {
        ALT: () => ({
          kind: 'select star',
          qualifier: [],
          position: this.CONSUME(T.Star).startOffset,
        }),
      },
      {
        ALT: () => {
          const position = this.here();
          const expr = this.SUBRULE(this.expr);
          let alias: string | undefined;
          this.OPTION(() => {
            alias = this.OR1([
              {
                ALT: () => {
                  this.CONSUME(K.as);
                  return valueOf(this.CONSUME(T.ColumnLabel));
                },
              },
              { ALT: () => valueOf(this.CONSUME(T.BareLabel)) },
            ]);
          });
          if (expr.kind === 'star ref' && alias === undefined) {
            return { kind: 'select star', qualifier: expr.qualifier, position };
          }
          return { kind: 'select expr', expr, alias, position };
        },
      },
    ]),
  );

  protected readonly returning: Rule<SelectItem[]> = this.RULE('returning', (): SelectItem[] => {
    this.CONSUME(K.returning);
    return this.SUBRULE(this.selectList);
  });

  // -- LIMIT and locks ------------------------------------------------------------------------------------------

  protected readonly limits: Rule<Limits> = this.RULE('limits', (): Limits => {
    const limits: Limits = {
      limit: undefined,
      hasLimit: false,
      offset: undefined,
      withTies: false,
      locking: [],
    };
    this.MANY(() => {
      this.OR([
        { ALT: () => this.SUBRULE(this.limitClause, { ARGS: [limits] }) },
        { ALT: () => this.SUBRULE(this.fetchClause, { ARGS: [limits] }) },
        { ALT: () => this.SUBRULE(this.offsetClause, { ARGS: [limits] }) },
        { ALT: () => this.SUBRULE(this.lockingClause, { ARGS: [limits] }) },
      ]);
    });
    return limits;
  });

  #expectNoLimit(limits: Limits, word: IToken): void {
    if (!this.RECORDING_PHASE && limits.hasLimit) throw this.syntaxErrorAt(word);
  }

  #setLimit(limits: Limits, limit: Expr | undefined): void {
    if (this.RECORDING_PHASE) return;
    limits.hasLimit = true;
    limits.limit = limit;
  }

  protected readonly limitClause: Rule<void, [limits: Limits]> = this.RULE(
    'limitClause',
    (limits: Limits): void => {
      const word = this.CONSUME(K.limit);
      this.#expectNoLimit(limits, word);
      const limit = this.OR<Expr | undefined>([
        { ALT: () => (this.CONSUME(K.all), undefined) },
        { ALT: () => this.SUBRULE(this.expr) },
      ]);
      this.OPTION(() => {
        this.CONSUME(T.Comma);
        if (this.RECORDING_PHASE) return;
        const message = 'LIMIT #,# syntax is not supported';
        throw this.errorAt(word.startOffset, message, 'Use separate LIMIT and OFFSET clauses.');
      });
      const isNull = limit?.kind === 'null';
      this.#setLimit(limits, isNull ? undefined : limit);
    },
  );

  protected readonly fetchClause: Rule<void, [limits: Limits]> = this.RULE(
    'fetchClause',
    (limits: Limits): void => {
      const word = this.CONSUME(K.fetch);
      this.#expectNoLimit(limits, word);
      const position = word.startOffset;
      this.OR([{ ALT: () => this.CONSUME(K.first) }, { ALT: () => this.CONSUME(K.next) }]);
      // Without a number, one row. Only an operand may stand here: ROW would be taken for a name.
      let limit: Expr = { kind: 'number', text: '1', isInteger: true, position };
      this.OPTION({
        GATE: () => !this.isNext(K.row) && !this.isNext(K.rows),
        DEF: () => {
          limit = this.SUBRULE(this.expression, { ARGS: [POWER.sign, true] });
        },
      });
      this.SUBRULE(this.rowWord);
      this.OR2([
        { ALT: () => this.CONSUME(K.only) },
        {
          ALT: () => {
            this.CONSUME(K.with);
            this.CONSUME(K.ties);
            if (!this.RECORDING_PHASE) limits.withTies = true;
          },
        },
      ]);
      this.#setLimit(limits, limit);
    },
  );

  protected readonly rowWord: Rule<void> = this.RULE('rowWord', (): void => {
    this.OR([{ ALT: () => this.CONSUME(K.row) }, { ALT: () => this.CONSUME(K.rows) }]);
  });

  protected readonly offsetClause: Rule<void, [limits: Limits]> = this.RULE(
    'offsetClause',
    (limits: Limits): void => {
      const word = this.CONSUME(K.offset);
      const offset = this.SUBRULE(this.expr);
      this.OPTION(() => this.SUBRULE(this.rowWord));
      if (this.RECORDING_PHASE) return;
      if (limits.offset !== undefined) throw this.syntaxErrorAt(word);
      limits.offset = offset;
    },
  );

  protected readonly lockingClause: Rule<void, [limits: Limits]> = this.RULE(
    'lockingClause',
    (limits: Limits): void => {
      const position = this.CONSUME(K.for).startOffset;
      const strength = this.SUBRULE(this.lockStrength);
      const of = this.OPTION(() => {
        this.CONSUME(K.of);
        return this.SUBRULE(this.qualifiedNameList);
      });
      const wait =
        this.OPTION1(() =>
          this.OR<LockingClause['wait']>([
            { ALT: () => (this.CONSUME(K.nowait), 'nowait') },
            {
              ALT: () => {
                this.CONSUME(K.skip);
                this.CONSUME(K.locked);
                return 'skip locked';
              },
            },
          ]),
        ) ?? 'block';
      if (this.RECORDING_PHASE || strength === undefined) return;
      limits.locking.push({ strength, of: of ?? [], wait, position });
    },
  );

  /** Undefined for FOR READ ONLY, which says nothing. */
  protected readonly lockStrength: Rule<LockingClause['strength'] | undefined> = this.RULE(
    'lockStrength',
    (): LockingClause['strength'] | undefined =>
      this.OR<LockingClause['strength'] | undefined>([
        { ALT: () => (this.CONSUME(K.update), 'update') },
        { ALT: () => (this.CONSUME(K.share), 'share') },
        {
          ALT: () => {
            this.CONSUME(K.no);
            this.CONSUME(K.key);
            this.CONSUME1(K.update);
            return 'no key update';
          },
        },
        {
          ALT: () => {
            this.CONSUME1(K.key);
            this.CONSUME1(K.share);
            return 'key share';
          },
        },
        {
          ALT: () => {
            this.CONSUME(K.read);
            this.CONSUME(K.only);
            return undefined;
          },
        },
      ]),
  );
}

function toQuery(
  withClause: WithClause | undefined,
  body: QueryBody,
  orderBy: readonly SortItem[],
  limits: Limits,
  position: number,
): Query {
  const { limit, offset, withTies, locking } = limits;
  const isBare = withClause === undefined && orderBy.length === 0 && !limits.hasLimit;
  // Parentheses around a whole query say nothing.
  if (isBare && body.kind === 'query' && offset === undefined && locking.length === 0) return body;
  return {
    kind: 'query',
    with: withClause,
    body,
    orderBy,
    limit,
    offset,
    withTies,
    locking,
    position,
  };
}
