/**
 * Columns and constraints, of CREATE TABLE and ALTER TABLE.
 */
import type { Expr, Identifier, QualifiedName, TypeName } from './ast.ts';
import type {
  CheckConstraint,
  ColumnConstraint,
  ColumnDefinition,
  CreateTable,
  ForeignKeyConstraint,
  ReferentialAction,
  StorageParameter,
  TableConstraint,
  UniqueConstraint,
} from './ast-schema.ts';
import { OptionGrammar } from './grammar-option.ts';
import { POWER } from './grammar-expression.ts';
import type { Rule } from './grammar-base.ts';
import * as T from './tokens.ts';
import { K } from './tokens.ts';

/** What may follow a constraint, in any order. */
interface Attributes {
  deferrable: boolean;
  initiallyDeferred: boolean;
  notValid: boolean;
  noInherit: boolean;
}

/** What stands between the parentheses of CREATE TABLE. */
export interface TableElements {
  readonly columns: ColumnDefinition[];
  readonly constraints: TableConstraint[];
  readonly like: QualifiedName[];
}

export abstract class TableGrammar extends OptionGrammar {
  /** `( columns and constraints )` */
  protected readonly tableElements: Rule<TableElements> = this.RULE(
    'tableElements',
    (): TableElements => {
      const elements: TableElements = { columns: [], constraints: [], like: [] };
      this.CONSUME(T.LeftParen);
      this.MANY_SEP({
        SEP: T.Comma,
        DEF: () => {
          this.OR([
            {
              GATE: () => this.isConstraintNext(),
              ALT: () => elements.constraints.push(this.SUBRULE(this.tableConstraint)),
            },
            { ALT: () => elements.like.push(this.SUBRULE(this.likeElement)) },
            { ALT: () => elements.columns.push(this.SUBRULE(this.columnDefinition)) },
          ]);
        },
      });
      this.CONSUME(T.RightParen);
      return elements;
    },
  );

  /** EXCLUDE may also be a column's name. */
  protected isConstraintNext(): boolean {
    return !this.isNext(K.exclude) || this.isSecond(K.using) || this.isSecond(T.LeftParen);
  }

  protected readonly likeElement: Rule<QualifiedName> = this.RULE(
    'likeElement',
    (): QualifiedName => {
      this.CONSUME(K.like);
      const name = this.SUBRULE(this.qualifiedName);
      this.MANY(() => {
        this.OR([
          { ALT: () => this.CONSUME(K.including) },
          { ALT: () => this.CONSUME(K.excluding) },
        ]);
        this.CONSUME(T.ColumnLabel);
      });
      return name;
    },
  );

  protected readonly columnDefinition: Rule<ColumnDefinition> = this.RULE(
    'columnDefinition',
    (): ColumnDefinition => {
      const column = this.SUBRULE(this.identifier);
      const type = this.SUBRULE(this.typeName);
      let collation: QualifiedName | undefined;
      const constraints: ColumnConstraint[] = [];
      this.MANY(() => {
        this.OR([
          {
            ALT: () => {
              this.CONSUME(K.collate);
              collation = this.SUBRULE(this.qualifiedName);
            },
          },
          {
            ALT: () => {
              this.SUBRULE(this.columnConstraint, { ARGS: [column, constraints] });
            },
          },
        ]);
      });
      const { name, position } = column;
      return { name, type, collation, constraints, position };
    },
  );

  protected readonly constraintName: Rule<string> = this.RULE('constraintName', (): string => {
    this.CONSUME(K.constraint);
    return this.SUBRULE(this.identifier).name;
  });

  /** Adds the constraint, or what modifies the one before it, to `constraints`. */
  protected readonly columnConstraint: Rule<
    void,
    [column: Identifier, constraints: ColumnConstraint[]]
  > = this.RULE('columnConstraint', (column: Identifier, constraints: ColumnConstraint[]): void => {
    const position = this.here();
    const name = this.OPTION(() => this.SUBRULE(this.constraintName));
    const constraint = this.OR<ColumnConstraint | undefined>([
      {
        ALT: () => {
          this.CONSUME(K.null);
          return { kind: 'null constraint', name, position };
        },
      },
      { ALT: () => this.SUBRULE(this.notConstraint, { ARGS: [name, position, constraints] }) },
      {
        ALT: () => {
          this.CONSUME(K.default);
          const expr = this.SUBRULE(this.expression, { ARGS: [POWER.is, true] });
          return { kind: 'column default', name, expr, position };
        },
      },
      { ALT: () => this.SUBRULE(this.checkConstraint, { ARGS: [name, position] }) },
      { ALT: () => this.SUBRULE(this.keyConstraint, { ARGS: [name, position, column] }) },
      {
        ALT: () => {
          return this.SUBRULE(this.references, { ARGS: [name, position, [column]] });
        },
      },
      { ALT: () => this.SUBRULE(this.generatedConstraint, { ARGS: [name, position] }) },
      {
        ALT: () => {
          const deferrable = this.SUBRULE(this.timing);
          this.#modify(constraints, deferrable);
          return undefined;
        },
      },
    ]);
    if (constraint !== undefined && !this.RECORDING_PHASE) constraints.push(constraint);
  });

  /** NOT NULL, or NOT DEFERRABLE of the constraint before it. */
  protected readonly notConstraint: Rule<
    ColumnConstraint | undefined,
    [name: string | undefined, position: number, constraints: ColumnConstraint[]]
  > = this.RULE(
    'notConstraint',
    (
      name: string | undefined,
      position: number,
      constraints: ColumnConstraint[],
    ): ColumnConstraint | undefined => {
      this.CONSUME(K.not);
      return this.OR<ColumnConstraint | undefined>([
        {
          ALT: () => {
            this.CONSUME(K.null);
            return { kind: 'not null', name, position };
          },
        },
        {
          ALT: () => {
            this.CONSUME(K.deferrable);
            this.#modify(constraints, { deferrable: false });
            return undefined;
          },
        },
      ]);
    },
  );

  #modify(
    constraints: ColumnConstraint[],
    timing: { deferrable?: boolean; initiallyDeferred?: boolean },
  ): void {
    if (this.RECORDING_PHASE) return;
    const last = constraints.at(-1);
    if (last?.kind !== 'unique' && last?.kind !== 'foreign key') {
      throw this.errorAt(this.LA(0).startOffset, 'misplaced DEFERRABLE clause');
    }
    constraints[constraints.length - 1] = { ...last, ...timing };
  }

  /** DEFERRABLE, INITIALLY DEFERRED, INITIALLY IMMEDIATE */
  protected readonly timing: Rule<{ deferrable?: boolean; initiallyDeferred?: boolean }> =
    this.RULE('timing', (): { deferrable?: boolean; initiallyDeferred?: boolean } =>
      this.OR<{ deferrable?: boolean; initiallyDeferred?: boolean }>([
        { ALT: () => (this.CONSUME(K.deferrable), { deferrable: true }) },
        {
          ALT: () => {
            this.CONSUME(K.initially);
            return this.OR1<{ deferrable?: boolean; initiallyDeferred?: boolean }>([
              { ALT: () => (this.CONSUME(K.immediate), { initiallyDeferred: false }) },
              {
                ALT: () => (
                  this.CONSUME(K.deferred),
                  { deferrable: true, initiallyDeferred: true }
                ),
              },
            ]);
          },
        },
      ]),
    );

  protected readonly checkConstraint: Rule<
    CheckConstraint,
    [name: string | undefined, position: number]
  > = this.RULE(
    'checkConstraint',
    (name: string | undefined, position: number): CheckConstraint => {
      this.CONSUME(K.check);
      this.CONSUME(T.LeftParen);
      const expr = this.SUBRULE(this.expr);
      this.CONSUME(T.RightParen);
      const noInherit = this.OPTION(() => {
        this.CONSUME(K.no);
        this.CONSUME(K.inherit);
        return true;
      });
      return {
        kind: 'check',
        name,
        expr,
        noInherit: noInherit === true,
        notValid: false,
        position,
      };
    },
  );

  /** UNIQUE or PRIMARY KEY at a column. */
  protected readonly keyConstraint: Rule<
    UniqueConstraint,
    [name: string | undefined, position: number, column: Identifier]
  > = this.RULE(
    'keyConstraint',
    (name: string | undefined, position: number, column: Identifier): UniqueConstraint => {
      const isPrimaryKey = this.SUBRULE(this.keyWord);
      const nullsNotDistinct = this.SUBRULE(this.nullsDistinct);
      const storage = this.SUBRULE(this.indexParameters);
      return {
        kind: 'unique',
        name,
        isPrimaryKey,
        columns: [column],
        include: [],
        nullsNotDistinct,
        usingIndex: undefined,
        storage,
        deferrable: false,
        initiallyDeferred: false,
        position,
      };
    },
  );

  /** True for PRIMARY KEY. */
  protected readonly keyWord: Rule<boolean> = this.RULE('keyWord', (): boolean =>
    this.OR([
      { ALT: () => (this.CONSUME(K.unique), false) },
      {
        ALT: () => {
          this.CONSUME(K.primary);
          this.CONSUME(K.key);
          return true;
        },
      },
    ]),
  );

  protected readonly nullsDistinct: Rule<boolean> = this.RULE('nullsDistinct', (): boolean => {
    let notDistinct = false;
    this.OPTION(() => {
      this.CONSUME(K.nulls);
      notDistinct = this.OPTION1(() => this.CONSUME(K.not)) !== undefined;
      this.CONSUME(K.distinct);
    });
    return notDistinct;
  });

  /** `WITH (...) USING INDEX TABLESPACE t` */
  protected readonly indexParameters: Rule<StorageParameter[]> = this.RULE(
    'indexParameters',
    (): StorageParameter[] => {
      const storage = this.OPTION(() => {
        this.CONSUME(K.with);
        return this.SUBRULE(this.storageParameters);
      });
      this.OPTION1(() => {
        this.CONSUME(K.using);
        this.CONSUME(K.index);
        this.CONSUME(K.tablespace);
        this.SUBRULE(this.identifier);
      });
      return storage ?? [];
    },
  );

  protected readonly references: Rule<
    ForeignKeyConstraint,
    [name: string | undefined, position: number, columns: readonly Identifier[]]
  > = this.RULE(
    'references',
    (
      name: string | undefined,
      position: number,
      columns: readonly Identifier[],
    ): ForeignKeyConstraint => {
      this.CONSUME(K.references);
      const table = this.SUBRULE(this.qualifiedName);
      const referenced = this.OPTION(() => this.SUBRULE(this.parenthesizedNames)) ?? [];
      const match =
        this.OPTION1(() => {
          this.CONSUME(K.match);
          return this.OR<ForeignKeyConstraint['match']>([
            { ALT: () => (this.CONSUME(K.simple), 'simple') },
            { ALT: () => (this.CONSUME(K.full), 'full') },
            { ALT: () => (this.CONSUME(K.partial), 'partial') },
          ]);
        }) ?? 'simple';
      let onDelete: ReferentialAction = 'no action';
      let onUpdate: ReferentialAction = 'no action';
      this.MANY(() => {
        this.CONSUME(K.on);
        const isDelete = this.OR1([
          { ALT: () => (this.CONSUME(K.delete), true) },
          { ALT: () => (this.CONSUME(K.update), false) },
        ]);
        const action = this.SUBRULE(this.referentialAction);
        if (isDelete) onDelete = action;
        else onUpdate = action;
      });
      const timing = { deferrable: false, initiallyDeferred: false, notValid: false };
      const rest = { match, onDelete, onUpdate, ...timing, position };
      return { kind: 'foreign key', name, columns, table, referenced, ...rest };
    },
  );

  protected readonly referentialAction: Rule<ReferentialAction> = this.RULE(
    'referentialAction',
    (): ReferentialAction =>
      this.OR<ReferentialAction>([
        {
          ALT: () => {
            this.CONSUME(K.no);
            this.CONSUME(K.action);
            return 'no action';
          },
        },
        { ALT: () => (this.CONSUME(K.restrict), 'restrict') },
        { ALT: () => (this.CONSUME(K.cascade), 'cascade') },
        {
          ALT: () => {
            this.CONSUME(K.set);
            return this.OR1<ReferentialAction>([
              { ALT: () => (this.CONSUME(K.null), 'set null') },
              { ALT: () => (this.CONSUME(K.default), 'set default') },
            ]);
          },
        },
      ]),
  );

  /** GENERATED ... AS IDENTITY, or AS (expr) STORED. */
  protected readonly generatedConstraint: Rule<
    ColumnConstraint,
    [name: string | undefined, position: number]
  > = this.RULE(
    'generatedConstraint',
    (name: string | undefined, position: number): ColumnConstraint => {
      this.CONSUME(K.generated);
      const always = this.OR([
        { ALT: () => (this.CONSUME(K.always), true) },
        {
          ALT: () => {
            this.CONSUME(K.by);
            this.CONSUME(K.default);
            return false;
          },
        },
      ]);
      this.CONSUME(K.as);
      return this.OR1<ColumnConstraint>([
        {
          ALT: () => {
            this.CONSUME(K.identity);
            const options = this.OPTION(() => {
              this.CONSUME(T.LeftParen);
              const list = this.SUBRULE(this.sequenceOptions);
              this.CONSUME(T.RightParen);
              return list;
            });
            return { kind: 'identity', name, always, options: options ?? [], position };
          },
        },
        {
          ALT: () => {
            const at = this.CONSUME1(T.LeftParen).startOffset;
            if (!always && !this.RECORDING_PHASE) {
              const message = 'for a generated column, GENERATED ALWAYS must be specified';
              throw this.errorAt(at, message);
            }
            const expr: Expr = this.SUBRULE(this.expr);
            this.CONSUME1(T.RightParen);
            this.CONSUME(K.stored);
            return { kind: 'generated', name, expr, position };
          },
        },
      ]);
    },
  );

  protected readonly tableConstraint: Rule<TableConstraint> = this.RULE(
    'tableConstraint',
    (): TableConstraint => {
      const position = this.here();
      const name = this.OPTION(() => this.SUBRULE(this.constraintName));
      const constraint = this.OR<TableConstraint>([
        { ALT: () => this.SUBRULE(this.checkConstraint, { ARGS: [name, position] }) },
        { ALT: () => this.SUBRULE(this.tableKey, { ARGS: [name, position] }) },
        {
          ALT: () => {
            this.CONSUME(K.foreign);
            this.CONSUME(K.key);
            const columns = this.SUBRULE(this.parenthesizedNames);
            return this.SUBRULE(this.references, { ARGS: [name, position, columns] });
          },
        },
        {
          ALT: () => {
            this.refuse(this.CONSUME(K.exclude).startOffset, 'EXCLUDE');
            return { kind: 'exclude', name, position };
          },
        },
      ]);
      const attributes = this.SUBRULE(this.attributes);
      if (constraint.kind === 'check') {
        const { notValid, noInherit } = attributes;
        return { ...constraint, notValid, noInherit: constraint.noInherit || noInherit };
      }
      if (constraint.kind === 'exclude') return constraint;
      const { deferrable, initiallyDeferred, notValid } = attributes;
      return constraint.kind === 'unique'
        ? { ...constraint, deferrable, initiallyDeferred }
        : { ...constraint, deferrable, initiallyDeferred, notValid };
    },
  );

  protected readonly attributes: Rule<Attributes> = this.RULE('attributes', (): Attributes => {
    let attributes = noAttributes();
    this.MANY(() => {
      this.OR([
        { ALT: () => (attributes = { ...attributes, ...this.SUBRULE(this.timing) }) },
        {
          ALT: () => {
            this.CONSUME(K.not);
            this.OR1([
              { ALT: () => this.CONSUME(K.deferrable) },
              {
                ALT: () => {
                  this.CONSUME(K.valid);
                  attributes.notValid = true;
                },
              },
            ]);
          },
        },
      ]);
    });
    return attributes;
  });

  /** UNIQUE or PRIMARY KEY of a table. */
  protected readonly tableKey: Rule<
    UniqueConstraint,
    [name: string | undefined, position: number]
  > = this.RULE('tableKey', (name: string | undefined, position: number): UniqueConstraint => {
    const isPrimaryKey = this.SUBRULE(this.keyWord);
    const nullsNotDistinct = this.SUBRULE(this.nullsDistinct);
    let columns: readonly Identifier[] = [];
    let include: readonly Identifier[] = [];
    let storage: readonly StorageParameter[] = [];
    let usingIndex: string | undefined;
    this.OR([
      {
        ALT: () => {
          this.CONSUME(K.using);
          this.CONSUME(K.index);
          usingIndex = this.SUBRULE(this.identifier).name;
        },
      },
      {
        ALT: () => {
          columns = this.SUBRULE(this.parenthesizedNames);
          include = this.OPTION(() => this.SUBRULE(this.includeClause)) ?? [];
          storage = this.SUBRULE(this.indexParameters);
        },
      },
    ]);
    return {
      kind: 'unique',
      name,
      isPrimaryKey,
      columns,
      include,
      nullsNotDistinct,
      usingIndex,
      storage,
      deferrable: false,
      initiallyDeferred: false,
      position,
    };
  });

  protected readonly includeClause: Rule<Identifier[]> = this.RULE(
    'includeClause',
    (): Identifier[] => {
      this.CONSUME(K.include);
      return this.SUBRULE(this.parenthesizedNames);
    },
  );

  protected readonly onCommit: Rule<CreateTable['onCommit']> = this.RULE(
    'onCommit',
    (): CreateTable['onCommit'] => {
      this.CONSUME(K.on);
      this.CONSUME(K.commit);
      return this.OR<CreateTable['onCommit']>([
        { ALT: () => (this.CONSUME(K.drop), 'drop') },
        {
          ALT: () => {
            this.CONSUME(K.preserve);
            this.CONSUME(K.rows);
            return 'preserve rows';
          },
        },
        {
          ALT: () => {
            this.CONSUME(K.delete);
            this.CONSUME1(K.rows);
            return 'delete rows';
          },
        },
      ]);
    },
  );

  /** `AS type` of a sequence. */
  protected readonly asType: Rule<TypeName> = this.RULE('asType', (): TypeName => {
    this.CONSUME(K.as);
    return this.SUBRULE(this.typeName);
  });
}

function noAttributes(): Attributes {
  return { deferrable: false, initiallyDeferred: false, notValid: false, noInherit: false };
}
