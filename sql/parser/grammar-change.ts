/**
 * INSERT, UPDATE, DELETE and TRUNCATE.
 */
import type {
  ConflictColumns,
  ConflictConstraint,
  Delete,
  Expr,
  Identifier,
  IndexElement,
  Insert,
  OnConflict,
  SetItem,
  Truncate,
  Update,
  WithClause,
} from './ast.ts';
import { QueryGrammar } from './grammar-query.ts';
import { valueOf } from './grammar-base.ts';
import type { Rule } from './grammar-base.ts';
import * as T from './tokens.ts';
import { K } from './tokens.ts';

type InsertSource = Pick<Insert, 'columns' | 'overriding' | 'source'>;

export abstract class ChangeGrammar extends QueryGrammar {
  protected readonly insert: Rule<Insert, [withClause: WithClause | undefined]> = this.RULE(
    'insert',
    (withClause: WithClause | undefined): Insert => {
      const position = this.CONSUME(K.insert).startOffset;
      this.CONSUME(K.into);
      const table = this.SUBRULE(this.qualifiedName);
      const alias = this.OPTION(() => {
        this.CONSUME(K.as);
        return valueOf(this.CONSUME(T.ColumnName));
      });
      const { columns, overriding, source } = this.SUBRULE(this.insertSource);
      const onConflict = this.OPTION1(() => this.SUBRULE(this.onConflict));
      const returning = this.OPTION2(() => this.SUBRULE(this.returning)) ?? [];
      return {
        kind: 'insert',
        with: withClause,
        table,
        alias,
        columns,
        overriding,
        source,
        onConflict,
        returning,
        position,
      };
    },
  );

  protected readonly insertSource: Rule<InsertSource> = this.RULE(
    'insertSource',
    (): InsertSource =>
      this.OR<InsertSource>([
        {
          ALT: () => {
            this.CONSUME(K.default);
            this.CONSUME(K.values);
            return { columns: [], overriding: undefined, source: undefined };
          },
        },
        {
          // A parenthesis begins the columns, unless it holds the query.
          GATE: () => !this.isNext(T.LeftParen) || this.#isParenthesizedQueryNext(),
          ALT: () => {
            const overriding = this.OPTION(() => this.SUBRULE(this.overriding));
            return { columns: [], overriding, source: this.SUBRULE(this.query) };
          },
        },
        {
          ALT: () => {
            this.CONSUME(T.LeftParen);
            const columns = this.SUBRULE(this.insertColumns);
            this.CONSUME(T.RightParen);
            const overriding = this.OPTION1(() => this.SUBRULE1(this.overriding));
            return { columns, overriding, source: this.SUBRULE1(this.query) };
          },
        },
      ]),
  );

  #isParenthesizedQueryNext(): boolean {
    let i = 2;
    while (this.LA(i).tokenType === T.LeftParen) i++;
    const type = this.LA(i).tokenType;
    return type === K.select || type === K.values || type === K.with || type === K.table;
  }

  protected readonly insertColumns: Rule<Identifier[]> = this.RULE(
    'insertColumns',
    (): Identifier[] => {
      const columns: Identifier[] = [];
      this.AT_LEAST_ONE_SEP({
        SEP: T.Comma,
        DEF: () => {
          columns.push(this.SUBRULE(this.targetColumn));
        },
      });
      return columns;
    },
  );

  /** A column to write; a part of one (`a.b`, `a[1]`) is refused. */
  protected readonly targetColumn: Rule<Identifier> = this.RULE('targetColumn', (): Identifier => {
    const column = this.SUBRULE(this.identifier);
    this.OPTION(() => {
      const token = this.OR([
        { ALT: () => this.CONSUME(T.Dot) },
        { ALT: () => this.CONSUME(T.LeftBracket) },
      ]);
      this.refuse(token.startOffset, 'writing a part of a column');
    });
    return column;
  });

  protected readonly overriding: Rule<'system' | 'user'> = this.RULE(
    'overriding',
    (): 'system' | 'user' => {
      this.CONSUME(K.overriding);
      const which = this.OR<'system' | 'user'>([
        { ALT: () => (this.CONSUME(K.system), 'system') },
        { ALT: () => (this.CONSUME(K.user), 'user') },
      ]);
      this.CONSUME(K.value);
      return which;
    },
  );

  protected readonly onConflict: Rule<OnConflict> = this.RULE('onConflict', (): OnConflict => {
    const position = this.CONSUME(K.on).startOffset;
    this.CONSUME(K.conflict);
    let target: OnConflict['target'];
    this.OPTION(() => {
      target = this.OR<ConflictColumns | ConflictConstraint>([
        { ALT: () => this.SUBRULE(this.conflictColumns) },
        {
          ALT: () => {
            this.CONSUME1(K.on);
            this.CONSUME(K.constraint);
            const { name, position: at } = this.SUBRULE(this.identifier);
            return { kind: 'conflict constraint', name, position: at };
          },
        },
      ]);
    });
    this.CONSUME(K.do);
    return this.OR1<OnConflict>([
      {
        ALT: () => {
          this.CONSUME(K.nothing);
          return { target, action: 'nothing', set: [], where: undefined, position };
        },
      },
      {
        ALT: () => {
          this.CONSUME(K.update);
          const set = this.SUBRULE(this.setClause);
          const where = this.OPTION1(() => this.SUBRULE(this.whereClause));
          return { target, action: 'update', set, where, position };
        },
      },
    ]);
  });

  protected readonly conflictColumns: Rule<ConflictColumns> = this.RULE(
    'conflictColumns',
    (): ConflictColumns => {
      const columns = this.SUBRULE(this.indexElements);
      const where = this.OPTION(() => this.SUBRULE(this.whereClause));
      return { kind: 'conflict columns', columns, where };
    },
  );

  /** `(a, lower(b) DESC, (c + 1))` */
  protected readonly indexElements: Rule<IndexElement[]> = this.RULE(
    'indexElements',
    (): IndexElement[] => {
      this.CONSUME(T.LeftParen);
      const elements: IndexElement[] = [];
      this.AT_LEAST_ONE_SEP({
        SEP: T.Comma,
        DEF: () => {
          elements.push(this.SUBRULE(this.indexElement));
        },
      });
      this.CONSUME(T.RightParen);
      return elements;
    },
  );

  protected readonly indexElement: Rule<IndexElement> = this.RULE(
    'indexElement',
    (): IndexElement => {
      const position = this.here();
      const { column, expr } = this.SUBRULE(this.indexKey);
      const collation = this.OPTION(() => {
        this.CONSUME(K.collate);
        return this.SUBRULE(this.qualifiedName);
      });
      // NULLS is a name too: an operator class of that name must be quoted.
      const operatorClass = this.OPTION1({
        GATE: () => !this.isNext(K.nulls),
        DEF: () => this.SUBRULE1(this.qualifiedName),
      });
      let descending = false;
      this.OPTION2(() => {
        descending = this.OR([
          { ALT: () => (this.CONSUME(K.asc), false) },
          { ALT: () => (this.CONSUME(K.desc), true) },
        ]);
      });
      const nullsFirst = this.OPTION3(() => this.SUBRULE(this.nullsOrder));
      return { column, expr, collation, operatorClass, descending, nullsFirst, position };
    },
  );

  protected readonly indexKey: Rule<Pick<IndexElement, 'column' | 'expr'>> = this.RULE(
    'indexKey',
    (): Pick<IndexElement, 'column' | 'expr'> =>
      this.OR<Pick<IndexElement, 'column' | 'expr'>>([
        {
          ALT: () => {
            this.CONSUME(T.LeftParen);
            const expr = this.SUBRULE(this.expr);
            this.CONSUME(T.RightParen);
            return { column: undefined, expr };
          },
        },
        {
          ALT: () => {
            const token = this.CONSUME(T.ColumnName);
            const name = valueOf(token);
            const expr = this.OPTION(() =>
              this.SUBRULE(this.callTail, { ARGS: [[name], token.startOffset] }),
            );
            return { column: expr === undefined ? name : undefined, expr };
          },
        },
      ]),
  );

  protected readonly setClause: Rule<SetItem[]> = this.RULE('setClause', (): SetItem[] => {
    this.CONSUME(K.set);
    const items: SetItem[] = [];
    this.AT_LEAST_ONE_SEP({
      SEP: T.Comma,
      DEF: () => {
        items.push(this.SUBRULE(this.setItem));
      },
    });
    return items;
  });

  protected readonly setItem: Rule<SetItem> = this.RULE('setItem', (): SetItem =>
    this.OR<SetItem>([
      {
        ALT: () => {
          const column = this.SUBRULE(this.targetColumn);
          this.CONSUME(T.Equals);
          return { kind: 'set column', column, value: this.SUBRULE(this.expr) };
        },
      },
      {
        ALT: () => {
          this.CONSUME(T.LeftParen);
          const columns = this.SUBRULE(this.insertColumns);
          this.CONSUME(T.RightParen);
          this.CONSUME1(T.Equals);
          const value: Expr = this.SUBRULE1(this.expr);
          return { kind: 'set columns', columns, value };
        },
      },
    ]),
  );

  protected readonly update: Rule<Update, [withClause: WithClause | undefined]> = this.RULE(
    'update',
    (withClause: WithClause | undefined): Update => {
      const position = this.CONSUME(K.update).startOffset;
      const table = this.SUBRULE(this.relation);
      const set = this.SUBRULE(this.setClause);
      const from = this.OPTION(() => {
        this.CONSUME(K.from);
        return this.SUBRULE(this.fromList);
      });
      const filter = this.OPTION1(() => this.SUBRULE(this.rowFilter));
      const returning = this.OPTION2(() => this.SUBRULE(this.returning)) ?? [];
      return {
        kind: 'update',
        with: withClause,
        table,
        set,
        from: from ?? [],
        where: filter?.where,
        whereCurrentOf: filter?.cursor,
        returning,
        position,
      };
    },
  );

  protected readonly delete: Rule<Delete, [withClause: WithClause | undefined]> = this.RULE(
    'delete',
    (withClause: WithClause | undefined): Delete => {
      const position = this.CONSUME(K.delete).startOffset;
      this.CONSUME(K.from);
      const table = this.SUBRULE(this.relation);
      const using = this.OPTION(() => {
        this.CONSUME(K.using);
        return this.SUBRULE(this.fromList);
      });
      const filter = this.OPTION1(() => this.SUBRULE(this.rowFilter));
      const returning = this.OPTION2(() => this.SUBRULE(this.returning)) ?? [];
      return {
        kind: 'delete',
        with: withClause,
        table,
        using: using ?? [],
        where: filter?.where,
        whereCurrentOf: filter?.cursor,
        returning,
        position,
      };
    },
  );

  protected readonly truncate: Rule<Truncate> = this.RULE('truncate', (): Truncate => {
    const position = this.CONSUME(K.truncate).startOffset;
    this.OPTION(() => this.CONSUME(K.table));
    const tables = this.SUBRULE(this.maintainedTables);
    let restartIdentity = false;
    this.OPTION1(() => {
      restartIdentity = this.OR([
        { ALT: () => (this.CONSUME(K.restart), true) },
        { ALT: () => (this.CONSUME(K.continue), false) },
      ]);
      this.CONSUME(K.identity);
    });
    const cascade = this.SUBRULE(this.dropBehavior);
    return { kind: 'truncate', tables, restartIdentity, cascade, position };
  });

  /** `[ONLY] a [*], b` */
  protected readonly maintainedTables: Rule<Truncate['tables']> = this.RULE(
    'maintainedTables',
    (): Truncate['tables'] => {
      const tables: Truncate['tables'][number][] = [];
      this.AT_LEAST_ONE_SEP({
        SEP: T.Comma,
        DEF: () => {
          this.OPTION(() => this.CONSUME(K.only));
          tables.push(this.SUBRULE(this.qualifiedName));
          this.OPTION1(() => this.CONSUME(T.Star));
        },
      });
      return tables;
    },
  );

  /** True for CASCADE. */
  protected readonly dropBehavior: Rule<boolean> = this.RULE('dropBehavior', (): boolean => {
    let cascade = false;
    this.OPTION(() => {
      cascade = this.OR([
        { ALT: () => (this.CONSUME(K.cascade), true) },
        { ALT: () => (this.CONSUME(K.restrict), false) },
      ]);
    });
    return cascade;
  });
}
