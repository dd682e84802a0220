/**
 * ALTER: tables, and what moves and splits ranges. The other objects of Postgres are named and refused.
 */
import type { Expr, Identifier, QualifiedName } from './ast.ts';
import type { AlterTableAction, StorageParameter } from './ast-schema.ts';
import type { Statement } from './ast-statement.ts';
import { CreateGrammar } from './grammar-create.ts';
import { valueOf } from './grammar-base.ts';
import type { Rule } from './grammar-base.ts';
import * as T from './tokens.ts';
import { K } from './tokens.ts';

export abstract class AlterGrammar extends CreateGrammar {
  protected readonly alter: Rule<Statement> = this.RULE('alter', (): Statement => {
    const position = this.CONSUME(K.alter).startOffset;
    return this.OR<Statement>([
      { ALT: () => this.SUBRULE(this.alterTable, { ARGS: [position] }) },
      { ALT: () => this.SUBRULE(this.alterIndex, { ARGS: [position] }) },
      { ALT: () => this.SUBRULE(this.alterRange, { ARGS: [position] }) },
      {
        ALT: () => {
          const token = this.OR1([
            { ALT: () => this.CONSUME(K.schema) },
            { ALT: () => this.CONSUME(K.sequence) },
            { ALT: () => this.CONSUME(K.view) },
            { ALT: () => this.CONSUME(K.materialized) },
          ]);
          const word = valueOf(token) === 'materialized' ? 'materialized view' : valueOf(token);
          this.SUBRULE(this.skipRest);
          return { kind: 'unsupported', phrase: `ALTER ${word.toUpperCase()}`, position };
        },
      },
      { ALT: () => this.SUBRULE(this.refusedObject, { ARGS: ['ALTER', position] }) },
    ]);
  });

  protected readonly alterTable: Rule<Statement, [position: number]> = this.RULE(
    'alterTable',
    (position: number): Statement => {
      this.CONSUME(K.table);
      const ifExists = this.SUBRULE(this.ifExists);
      const only = this.OPTION(() => this.CONSUME(K.only)) !== undefined;
      const table = this.SUBRULE(this.qualifiedName);
      this.OPTION1(() => this.CONSUME(T.Star));
      const actions: AlterTableAction[] = [];
      this.AT_LEAST_ONE_SEP({
        SEP: T.Comma,
        DEF: () => {
          actions.push(this.SUBRULE(this.alterAction));
        },
      });
      return { kind: 'alter table', table, ifExists, only, actions, position };
    },
  );

  protected readonly alterAction: Rule<AlterTableAction> = this.RULE(
    'alterAction',
    (): AlterTableAction => {
      const position = this.here();
      return this.OR<AlterTableAction>([
        { ALT: () => this.SUBRULE(this.addAction, { ARGS: [position] }) },
        { ALT: () => this.SUBRULE(this.dropAction, { ARGS: [position] }) },
        { ALT: () => this.SUBRULE(this.alterColumn, { ARGS: [position] }) },
        { ALT: () => this.SUBRULE(this.renameAction, { ARGS: [position] }) },
        { ALT: () => this.SUBRULE(this.setAction, { ARGS: [position] }) },
        {
          ALT: () => {
            this.CONSUME(K.reset);
            const parameters = this.SUBRULE(this.storageParameters);
            return { kind: 'set storage', parameters, reset: true, position };
          },
        },
        {
          ALT: () => {
            this.CONSUME(K.validate);
            this.CONSUME(K.constraint);
            const name = this.SUBRULE(this.identifier);
            return { kind: 'validate constraint', name, position };
          },
        },
        {
          ALT: () => {
            this.CONSUME(K.owner);
            this.CONSUME(K.to);
            return { kind: 'owner to', name: this.SUBRULE(this.roleName), position };
          },
        },
        {
          // SPLIT is a keyword of neither dialect: it stays a name everywhere else.
          GATE: () => this.LA(1).image.toLowerCase() === 'split' && this.isSecond(K.at),
          ALT: () => {
            this.CONSUME(T.Identifier);
            return { kind: 'split at', rows: this.SUBRULE(this.splitPoints), position };
          },
        },
        { ALT: () => this.SUBRULE(this.refusedAction, { ARGS: [position] }) },
      ]);
    },
  );

  protected readonly roleName: Rule<Identifier> = this.RULE('roleName', (): Identifier => {
    const token = this.OR([
      { ALT: () => this.CONSUME(T.NonReservedWord) },
      { ALT: () => this.CONSUME(K.current_user) },
      { ALT: () => this.CONSUME(K.current_role) },
      { ALT: () => this.CONSUME(K.session_user) },
    ]);
    return { name: valueOf(token), position: token.startOffset };
  });

  /** `AT VALUES (1, 2), (3, 4)` */
  protected readonly splitPoints: Rule<Expr[][]> = this.RULE('splitPoints', (): Expr[][] => {
    this.CONSUME(K.at);
    this.CONSUME(K.values);
    return this.SUBRULE(this.rowList);
  });

  protected readonly refusedAction: Rule<AlterTableAction, [position: number]> = this.RULE(
    'refusedAction',
    (position: number): AlterTableAction => {
      const token = this.OR([
        { ALT: () => this.CONSUME(K.attach) },
        { ALT: () => this.CONSUME(K.cluster) },
        { ALT: () => this.CONSUME(K.detach) },
        { ALT: () => this.CONSUME(K.disable) },
        { ALT: () => this.CONSUME(K.enable) },
        { ALT: () => this.CONSUME(K.force) },
        { ALT: () => this.CONSUME(K.inherit) },
        { ALT: () => this.CONSUME(K.no) },
        { ALT: () => this.CONSUME(K.not) },
        { ALT: () => this.CONSUME(K.of) },
        { ALT: () => this.CONSUME(K.replica) },
      ]);
      const second = this.OPTION(() => valueOf(this.CONSUME(T.ColumnLabel)));
      this.SUBRULE(this.skipRest);
      const what = `${valueOf(token)} ${second ?? ''}`.trim().toUpperCase();
      return { kind: 'unsupported action', what, position };
    },
  );

  protected readonly addAction: Rule<AlterTableAction, [position: number]> = this.RULE(
    'addAction',
    (position: number): AlterTableAction => {
      this.CONSUME(K.add);
      return this.OR<AlterTableAction>([
        {
          GATE: () => this.isConstraintNext(),
          ALT: () => {
            const constraint = this.SUBRULE(this.tableConstraint);
            return { kind: 'add constraint', constraint, position };
          },
        },
        {
          ALT: () => {
            this.OPTION(() => this.CONSUME(K.column));
            const ifNotExists = this.SUBRULE(this.ifNotExists);
            const column = this.SUBRULE(this.columnDefinition);
            return { kind: 'add column', ifNotExists, column, position };
          },
        },
      ]);
    },
  );

  protected readonly dropAction: Rule<AlterTableAction, [position: number]> = this.RULE(
    'dropAction',
    (position: number): AlterTableAction => {
      this.CONSUME(K.drop);
      return this.OR<AlterTableAction>([
        {
          ALT: () => {
            this.CONSUME(K.constraint);
            const ifExists = this.SUBRULE(this.ifExists);
            const name = this.SUBRULE(this.identifier);
            const cascade = this.SUBRULE(this.dropBehavior);
            return { kind: 'drop constraint', ifExists, name, cascade, position };
          },
        },
        {
          ALT: () => {
            this.OPTION(() => this.CONSUME(K.column));
            const ifExists = this.SUBRULE1(this.ifExists);
            const column = this.SUBRULE1(this.identifier);
            const cascade = this.SUBRULE1(this.dropBehavior);
            return { kind: 'drop column', ifExists, column, cascade, position };
          },
        },
      ]);
    },
  );

  protected readonly alterColumn: Rule<AlterTableAction, [position: number]> = this.RULE(
    'alterColumn',
    (position: number): AlterTableAction => {
      this.CONSUME(K.alter);
      if (this.isNext(K.constraint)) this.refuse(this.here(), 'ALTER CONSTRAINT');
      this.OPTION(() => this.CONSUME(K.column));
      const column = this.SUBRULE(this.identifier);
      return this.OR<AlterTableAction>([
        {
          ALT: () => {
            this.CONSUME(K.drop);
            return this.SUBRULE(this.dropFromColumn, { ARGS: [column, position] });
          },
        },
        {
          ALT: () => {
            this.CONSUME(K.set);
            return this.SUBRULE(this.setOnColumn, { ARGS: [column, position] });
          },
        },
        { ALT: () => this.SUBRULE(this.columnType, { ARGS: [column, position] }) },
        {
          ALT: () => {
            this.OR1([{ ALT: () => this.CONSUME(K.add) }, { ALT: () => this.CONSUME(K.reset) }]);
            this.SUBRULE(this.skipRest);
            return { kind: 'unsupported action', what: 'ALTER COLUMN', position };
          },
        },
      ]);
    },
  );

  protected readonly dropFromColumn: Rule<
    AlterTableAction,
    [column: Identifier, position: number]
  > = this.RULE('dropFromColumn', (column: Identifier, position: number): AlterTableAction =>
    this.OR<AlterTableAction>([
      {
        ALT: () => {
          this.CONSUME(K.default);
          return { kind: 'set default', column, expr: undefined, position };
        },
      },
      {
        ALT: () => {
          this.CONSUME(K.not);
          this.CONSUME(K.null);
          return { kind: 'set not null', column, notNull: false, position };
        },
      },
      {
        ALT: () => {
          const token = this.OR1([
            { ALT: () => this.CONSUME(K.identity) },
            { ALT: () => this.CONSUME(K.expression) },
          ]);
          this.SUBRULE(this.skipRest);
          const what = `DROP ${valueOf(token).toUpperCase()}`;
          return { kind: 'unsupported action', what, position };
        },
      },
    ]),
  );

  protected readonly setOnColumn: Rule<AlterTableAction, [column: Identifier, position: number]> =
    this.RULE('setOnColumn', (column: Identifier, position: number): AlterTableAction =>
      this.OR<AlterTableAction>([
        {
          ALT: () => {
            this.CONSUME(K.default);
            return { kind: 'set default', column, expr: this.SUBRULE(this.expr), position };
          },
        },
        {
          ALT: () => {
            this.CONSUME(K.not);
            this.CONSUME(K.null);
            return { kind: 'set not null', column, notNull: true, position };
          },
        },
        {
          ALT: () => {
            this.CONSUME(K.data);
            return this.SUBRULE(this.columnType, { ARGS: [column, position] });
          },
        },
        {
          ALT: () => {
            const token = this.OR1([
              { ALT: () => this.CONSUME(K.statistics) },
              { ALT: () => this.CONSUME(K.storage) },
              { ALT: () => this.CONSUME(K.compression) },
              { ALT: () => this.CONSUME(K.generated) },
              { ALT: () => this.CONSUME(T.LeftParen) },
            ]);
            this.SUBRULE(this.skipRest);
            const what = `SET ${valueOf(token).toUpperCase()}`;
            return { kind: 'unsupported action', what, position };
          },
        },
      ]),
    );

  protected readonly columnType: Rule<AlterTableAction, [column: Identifier, position: number]> =
    this.RULE('columnType', (column: Identifier, position: number): AlterTableAction => {
      this.CONSUME(K.type);
      const type = this.SUBRULE(this.typeName);
      this.OPTION(() => {
        this.CONSUME(K.collate);
        this.SUBRULE(this.qualifiedName);
      });
      const using = this.OPTION1(() => {
        this.CONSUME(K.using);
        return this.SUBRULE(this.expr);
      });
      return { kind: 'set type', column, type, using, position };
    });

  protected readonly renameAction: Rule<AlterTableAction, [position: number]> = this.RULE(
    'renameAction',
    (position: number): AlterTableAction => {
      this.CONSUME(K.rename);
      return this.OR<AlterTableAction>([
        {
          ALT: () => {
            this.CONSUME(K.to);
            return { kind: 'rename table', name: this.SUBRULE(this.identifier), position };
          },
        },
        {
          ALT: () => {
            this.CONSUME(K.constraint);
            const from = this.SUBRULE1(this.identifier);
            this.CONSUME1(K.to);
            const to = this.SUBRULE2(this.identifier);
            return { kind: 'rename constraint', from, to, position };
          },
        },
        {
          ALT: () => {
            this.OPTION(() => this.CONSUME(K.column));
            const from = this.SUBRULE3(this.identifier);
            this.CONSUME2(K.to);
            const to = this.SUBRULE4(this.identifier);
            return { kind: 'rename column', from, to, position };
          },
        },
      ]);
    },
  );

  protected readonly setAction: Rule<AlterTableAction, [position: number]> = this.RULE(
    'setAction',
    (position: number): AlterTableAction => {
      this.CONSUME(K.set);
      return this.OR<AlterTableAction>([
        {
          ALT: () => {
            const parameters: StorageParameter[] = this.SUBRULE(this.storageParameters);
            return { kind: 'set storage', parameters, reset: false, position };
          },
        },
        {
          ALT: () => {
            this.CONSUME(K.schema);
            return { kind: 'set schema', name: this.SUBRULE(this.identifier), position };
          },
        },
        {
          ALT: () => {
            const token = this.OR1([
              { ALT: () => this.CONSUME(K.access) },
              { ALT: () => this.CONSUME(K.logged) },
              { ALT: () => this.CONSUME(K.tablespace) },
              { ALT: () => this.CONSUME(K.unlogged) },
              { ALT: () => this.CONSUME(K.without) },
            ]);
            this.SUBRULE(this.skipRest);
            const what = `SET ${valueOf(token).toUpperCase()}`;
            return { kind: 'unsupported action', what, position };
          },
        },
      ]);
    },
  );

  /** `ALTER INDEX [t@]i SPLIT AT VALUES ...`; every other change of an index is refused by name. */
  protected readonly alterIndex: Rule<Statement, [position: number]> = this.RULE(
    'alterIndex',
    (position: number): Statement => {
      this.CONSUME(K.index);
      this.SUBRULE(this.ifExists);
      const first = this.SUBRULE(this.qualifiedName);
      let table: QualifiedName | undefined;
      let index = first;
      this.OPTION({
        GATE: () => this.LA(1).image === '@',
        DEF: () => {
          this.CONSUME(T.Operator);
          table = first;
          index = this.SUBRULE1(this.qualifiedName);
        },
      });
      return this.OR<Statement>([
        {
          GATE: () => this.LA(1).image.toLowerCase() === 'split',
          ALT: () => {
            this.CONSUME(T.Identifier);
            const rows = this.SUBRULE(this.splitPoints);
            return { kind: 'alter index split', table, index, rows, position };
          },
        },
        {
          ALT: () => {
            this.CONSUME(T.NonReservedWord);
            this.SUBRULE(this.skipRest);
            return { kind: 'unsupported', phrase: 'ALTER INDEX', position };
          },
        },
      ]);
    },
  );

  /** `ALTER RANGE 7 TRANSFER LEADER TO 2` */
  protected readonly alterRange: Rule<Statement, [position: number]> = this.RULE(
    'alterRange',
    (position: number): Statement => {
      this.CONSUME(K.range);
      const rangeId = Number(this.CONSUME(T.IntegerLiteral).image);
      const word = this.CONSUME(T.Identifier);
      if (!this.RECORDING_PHASE && valueOf(word) !== 'transfer') throw this.syntaxErrorAt(word);
      this.CONSUME(K.leader);
      this.CONSUME(K.to);
      const nodeId = Number(this.CONSUME1(T.IntegerLiteral).image);
      return { kind: 'alter range transfer', rangeId, nodeId, position };
    },
  );
}
