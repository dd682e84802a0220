/**
 * CREATE and DROP of tables, indexes, schemas, sequences and views. What else Postgres can create, drop or alter is
 * named and refused here too.
 */
import type { QualifiedName } from './ast.ts';
import type { CreateIndex, CreateTable, CreateView, Drop } from './ast-schema.ts';
import type { Statement, Unsupported } from './ast-statement.ts';
import { TableGrammar } from './grammar-table.ts';
import { valueOf } from './grammar-base.ts';
import type { Rule } from './grammar-base.ts';
import * as T from './tokens.ts';
import { K } from './tokens.ts';

type Persistence = CreateTable['persistence'];

interface Opening {
  readonly position: number;
  readonly orReplace: boolean;
  readonly persistence: Persistence;
}

/** For the recording of rules, which have no arguments then. */
const NO_OPENING: Opening = { position: 0, orReplace: false, persistence: 'permanent' };

export abstract class CreateGrammar extends TableGrammar {
  protected readonly create: Rule<Statement> = this.RULE('create', (): Statement => {
    const position = this.CONSUME(K.create).startOffset;
    const orReplace = this.OPTION(() => {
      this.CONSUME(K.or);
      this.CONSUME(K.replace);
      return true;
    });
    const persistence = this.OPTION1(() => this.SUBRULE(this.persistence)) ?? 'permanent';
    const opening: Opening = { position, orReplace: orReplace === true, persistence };
    return this.OR<Statement>([
      { ALT: () => this.SUBRULE(this.createTable, { ARGS: [opening] }) },
      { ALT: () => this.SUBRULE(this.createIndex, { ARGS: [opening] }) },
      { ALT: () => this.SUBRULE(this.createSchema, { ARGS: [opening] }) },
      { ALT: () => this.SUBRULE(this.createSequence, { ARGS: [opening] }) },
      { ALT: () => this.SUBRULE(this.createView, { ARGS: [opening] }) },
      { ALT: () => this.SUBRULE(this.refusedObject, { ARGS: ['CREATE', position] }) },
    ]);
  });

  protected readonly persistence: Rule<Persistence> = this.RULE('persistence', (): Persistence =>
    this.OR<Persistence>([
      { ALT: () => (this.CONSUME(K.unlogged), 'unlogged') },
      {
        ALT: () => {
          this.OPTION(() =>
            this.OR1([{ ALT: () => this.CONSUME(K.global) }, { ALT: () => this.CONSUME(K.local) }]),
          );
          this.OR2([{ ALT: () => this.CONSUME(K.temporary) }, { ALT: () => this.CONSUME(K.temp) }]);
          return 'temporary';
        },
      },
    ]),
  );

  protected readonly createTable: Rule<Statement, [opening: Opening]> = this.RULE(
    'createTable',
    (opening: Opening = NO_OPENING): Statement => {
      const token = this.CONSUME(K.table);
      if (!this.RECORDING_PHASE && opening.orReplace) throw this.syntaxErrorAt(token);
      const ifNotExists = this.SUBRULE(this.ifNotExists);
      const name = this.SUBRULE(this.qualifiedName);
      return this.OR<Statement>([
        {
          GATE: () => this.#isColumnNamesNext(),
          ALT: () => this.SUBRULE(this.createTableAs, { ARGS: [opening, ifNotExists, name] }),
        },
        {
          ALT: () => this.SUBRULE(this.createTableColumns, { ARGS: [opening, ifNotExists, name] }),
        },
      ]);
    },
  );

  /** Whether `AS query` is to come, perhaps behind names without types. */
  #isColumnNamesNext(): boolean {
    if (!this.isNext(T.LeftParen)) return true;
    const third = this.LA(3).tokenType;
    return third === T.Comma || (third === T.RightParen && !this.isSecond(T.RightParen));
  }

  protected readonly createTableColumns: Rule<
    Statement,
    [opening: Opening, ifNotExists: boolean, name: QualifiedName]
  > = this.RULE(
    'createTableColumns',
    (opening: Opening = NO_OPENING, ifNotExists: boolean, name: QualifiedName): Statement => {
      const elements = this.SUBRULE(this.tableElements);
      const inherits = this.OPTION(() => {
        this.CONSUME(K.inherits);
        this.CONSUME(T.LeftParen);
        const parents = this.SUBRULE(this.qualifiedNameList);
        this.CONSUME(T.RightParen);
        return parents;
      });
      this.OPTION1(() => {
        const token = this.CONSUME(K.partition);
        this.refuse(token.startOffset, 'PARTITION BY', 'Ranges split by themselves.');
      });
      this.OPTION2(() => {
        this.CONSUME1(K.using);
        this.CONSUME(T.ColumnName);
      });
      const storage = this.OPTION3(() => this.SUBRULE(this.tableStorage));
      const onCommit = this.OPTION4(() => this.SUBRULE(this.onCommit));
      const tablespace = this.OPTION5(() => this.SUBRULE(this.tablespace));
      const { position, persistence } = opening;
      return {
        kind: 'create table',
        name,
        ifNotExists,
        persistence,
        columns: elements.columns,
        constraints: elements.constraints,
        like: elements.like,
        inherits: inherits ?? [],
        isPartitioned: false,
        storage: storage ?? [],
        onCommit,
        tablespace,
        position,
      };
    },
  );

  /** `WITH (...)` or the old WITHOUT OIDS. */
  protected readonly tableStorage: Rule<CreateTable['storage']> = this.RULE(
    'tableStorage',
    (): CreateTable['storage'] =>
      this.OR<CreateTable['storage']>([
        {
          ALT: () => {
            this.CONSUME(K.with);
            return this.SUBRULE(this.storageParameters);
          },
        },
        {
          ALT: () => {
            this.CONSUME(K.without);
            this.CONSUME(K.oids);
            return [];
          },
        },
      ]),
  );

  protected readonly tablespace: Rule<string> = this.RULE('tablespace', (): string => {
    this.CONSUME(K.tablespace);
    return this.SUBRULE(this.identifier).name;
  });

  protected readonly createTableAs: Rule<
    Statement,
    [opening: Opening, ifNotExists: boolean, name: QualifiedName]
  > = this.RULE(
    'createTableAs',
    (opening: Opening = NO_OPENING, ifNotExists: boolean, name: QualifiedName): Statement => {
      const columns = this.OPTION(() => this.SUBRULE(this.parenthesizedNames)) ?? [];
      if (this.isNext(K.partition)) this.refuse(this.here(), 'PARTITION OF');
      this.OPTION1(() => this.SUBRULE(this.tableStorage));
      this.OPTION2(() => this.SUBRULE(this.onCommit));
      this.OPTION3(() => this.SUBRULE(this.tablespace));
      this.CONSUME(K.as);
      const query = this.SUBRULE(this.query);
      const withData = this.SUBRULE(this.withData);
      const names = this.list(columns).map((column) => column.name);
      const { position, persistence } = opening;
      const rest = { name, ifNotExists, persistence, columns: names, query, withData, position };
      return { kind: 'create table as', ...rest };
    },
  );

  protected readonly withData: Rule<boolean> = this.RULE('withData', (): boolean => {
    let withData = true;
    this.OPTION(() => {
      this.CONSUME(K.with);
      this.OPTION1(() => {
        this.CONSUME(K.no);
        withData = false;
      });
      this.CONSUME(K.data);
    });
    return withData;
  });

  protected readonly createIndex: Rule<Statement, [opening: Opening]> = this.RULE(
    'createIndex',
    (opening: Opening = NO_OPENING): CreateIndex => {
      const isUnique = this.OPTION(() => this.CONSUME(K.unique)) !== undefined;
      const token = this.CONSUME(K.index);
      if (!this.RECORDING_PHASE && (opening.orReplace || opening.persistence !== 'permanent')) {
        throw this.syntaxErrorAt(token);
      }
      const concurrently = this.OPTION1(() => this.CONSUME(K.concurrently)) !== undefined;
      const ifNotExists = this.SUBRULE(this.ifNotExists);
      const name = this.OPTION2(() => this.SUBRULE(this.identifier).name);
      if (ifNotExists && name === undefined && !this.RECORDING_PHASE) {
        throw this.syntaxErrorAt(this.LA(1));
      }
      this.CONSUME(K.on);
      this.OPTION3(() => this.CONSUME(K.only));
      const table = this.SUBRULE(this.qualifiedName);
      const method = this.OPTION4(() => {
        this.CONSUME(K.using);
        return this.SUBRULE1(this.identifier).name;
      });
      const elements = this.SUBRULE(this.indexElements);
      const include = this.OPTION5(() => this.SUBRULE(this.includeClause)) ?? [];
      const nullsNotDistinct = this.SUBRULE(this.nullsDistinct);
      const storage = this.OPTION6(() => {
        this.CONSUME(K.with);
        return this.SUBRULE(this.storageParameters);
      });
      const tablespace = this.OPTION7(() => this.SUBRULE(this.tablespace));
      const where = this.OPTION8(() => this.SUBRULE(this.whereClause));
      return {
        kind: 'create index',
        isUnique,
        concurrently,
        ifNotExists,
        name,
        table,
        method: method ?? 'btree',
        elements,
        include,
        nullsNotDistinct,
        storage: storage ?? [],
        tablespace,
        where,
        position: opening.position,
      };
    },
  );

  protected readonly createSchema: Rule<Statement, [opening: Opening]> = this.RULE(
    'createSchema',
    (opening: Opening = NO_OPENING): Statement => {
      this.CONSUME(K.schema);
      const ifNotExists = this.SUBRULE(this.ifNotExists);
      const name = this.OPTION({
        GATE: () => !this.isNext(K.authorization),
        DEF: () => this.SUBRULE(this.identifier).name,
      });
      const authorization = this.OPTION1(() => {
        this.CONSUME(K.authorization);
        return valueOf(this.CONSUME(T.NonReservedWord));
      });
      if (name === undefined && authorization === undefined && !this.RECORDING_PHASE) {
        throw this.syntaxErrorAt(this.LA(1));
      }
      const position = opening.position;
      return { kind: 'create schema', name, ifNotExists, authorization, position };
    },
  );

  protected readonly createSequence: Rule<Statement, [opening: Opening]> = this.RULE(
    'createSequence',
    (opening: Opening = NO_OPENING): Statement => {
      this.CONSUME(K.sequence);
      const ifNotExists = this.SUBRULE(this.ifNotExists);
      const name = this.SUBRULE(this.qualifiedName);
      const type = this.OPTION(() => this.SUBRULE(this.asType));
      const options = this.SUBRULE(this.sequenceOptions);
      const isTemporary = opening.persistence === 'temporary';
      const position = opening.position;
      return { kind: 'create sequence', name, ifNotExists, isTemporary, type, options, position };
    },
  );

  protected readonly createView: Rule<Statement, [opening: Opening]> = this.RULE(
    'createView',
    (opening: Opening = NO_OPENING): CreateView => {
      this.OPTION(() => this.CONSUME(K.recursive));
      const isMaterialized = this.OPTION1(() => this.CONSUME(K.materialized)) !== undefined;
      this.CONSUME(K.view);
      const ifNotExists = this.SUBRULE(this.ifNotExists);
      const name = this.SUBRULE(this.qualifiedName);
      const columns = this.OPTION2(() => this.SUBRULE(this.parenthesizedNames)) ?? [];
      this.OPTION3(() => {
        this.CONSUME(K.with);
        this.SUBRULE(this.storageParameters);
      });
      this.CONSUME(K.as);
      const query = this.SUBRULE(this.query);
      this.OPTION4(() => this.SUBRULE(this.viewCheck));
      return {
        kind: 'create view',
        name,
        orReplace: opening.orReplace,
        isTemporary: opening.persistence === 'temporary',
        isMaterialized,
        ifNotExists,
        columns: this.list(columns).map((column) => column.name),
        query,
        position: opening.position,
      };
    },
  );

  /** WITH [LOCAL] CHECK OPTION, WITH [NO] DATA */
  protected readonly viewCheck: Rule<void> = this.RULE('viewCheck', (): void => {
    this.CONSUME(K.with);
    this.MANY(() => {
      this.OR([
        { ALT: () => this.CONSUME(K.local) },
        { ALT: () => this.CONSUME(K.cascaded) },
        { ALT: () => this.CONSUME(K.no) },
        { ALT: () => this.CONSUME(K.data) },
        { ALT: () => this.CONSUME(K.check) },
        { ALT: () => this.CONSUME(K.option) },
      ]);
    });
  });

  protected readonly drop: Rule<Statement> = this.RULE('drop', (): Statement => {
    const position = this.CONSUME(K.drop).startOffset;
    return this.OR<Statement>([
      { ALT: () => this.SUBRULE(this.dropObjects, { ARGS: [position] }) },
      { ALT: () => this.SUBRULE(this.refusedObject, { ARGS: ['DROP', position] }) },
    ]);
  });

  protected readonly dropObjects: Rule<Drop, [position: number]> = this.RULE(
    'dropObjects',
    (position: number): Drop => {
      const objectType = this.OR<Drop['objectType']>([
        { ALT: () => (this.CONSUME(K.table), 'table') },
        { ALT: () => (this.CONSUME(K.index), 'index') },
        { ALT: () => (this.CONSUME(K.schema), 'schema') },
        { ALT: () => (this.CONSUME(K.sequence), 'sequence') },
        { ALT: () => (this.CONSUME(K.view), 'view') },
        {
          ALT: () => {
            this.CONSUME(K.materialized);
            this.CONSUME1(K.view);
            return 'materialized view';
          },
        },
      ]);
      const concurrently = this.OPTION({
        GATE: () => objectType === 'index',
        DEF: () => this.CONSUME(K.concurrently),
      });
      const ifExists = this.SUBRULE(this.ifExists);
      const names = this.SUBRULE(this.qualifiedNameList);
      const cascade = this.SUBRULE(this.dropBehavior);
      const isConcurrent = concurrently !== undefined;
      return {
        kind: 'drop',
        objectType,
        ifExists,
        concurrently: isConcurrent,
        names,
        cascade,
        position,
      };
    },
  );

  // -- What Postgres has and Quorate has not ---------------------------------------------------------------------

  /** `FUNCTION f ...` after CREATE, ALTER or DROP: named, and the rest skipped. */
  protected readonly refusedObject: Rule<Unsupported, [verb: string, position: number]> = this.RULE(
    'refusedObject',
    (verb: string, position: number): Unsupported => {
      const object = this.SUBRULE(this.refusedWords);
      this.SUBRULE(this.skipRest);
      return { kind: 'unsupported', phrase: `${verb} ${object}`.toUpperCase(), position };
    },
  );

  protected readonly refusedWords: Rule<string> = this.RULE('refusedWords', (): string =>
    this.OR<string>([
      { ALT: () => valueOf(this.CONSUME(K.aggregate)) },
      { ALT: () => valueOf(this.CONSUME(K.cast)) },
      { ALT: () => valueOf(this.CONSUME(K.collation)) },
      { ALT: () => valueOf(this.CONSUME(K.conversion)) },
      { ALT: () => valueOf(this.CONSUME(K.database)) },
      { ALT: () => valueOf(this.CONSUME(K.domain)) },
      { ALT: () => valueOf(this.CONSUME(K.extension)) },
      { ALT: () => valueOf(this.CONSUME(K.function)) },
      { ALT: () => valueOf(this.CONSUME(K.group)) },
      { ALT: () => valueOf(this.CONSUME(K.language)) },
      { ALT: () => valueOf(this.CONSUME(K.operator)) },
      { ALT: () => valueOf(this.CONSUME(K.owned)) },
      { ALT: () => valueOf(this.CONSUME(K.policy)) },
      { ALT: () => valueOf(this.CONSUME(K.procedure)) },
      { ALT: () => valueOf(this.CONSUME(K.publication)) },
      { ALT: () => valueOf(this.CONSUME(K.role)) },
      { ALT: () => valueOf(this.CONSUME(K.routine)) },
      { ALT: () => valueOf(this.CONSUME(K.rule)) },
      { ALT: () => valueOf(this.CONSUME(K.server)) },
      { ALT: () => valueOf(this.CONSUME(K.statistics)) },
      { ALT: () => valueOf(this.CONSUME(K.subscription)) },
      { ALT: () => valueOf(this.CONSUME(K.system)) },
      { ALT: () => valueOf(this.CONSUME(K.tablespace)) },
      { ALT: () => valueOf(this.CONSUME(K.transform)) },
      { ALT: () => valueOf(this.CONSUME(K.trigger)) },
      { ALT: () => valueOf(this.CONSUME(K.type)) },
      { ALT: () => valueOf(this.CONSUME(K.user)) },
      { ALT: () => this.SUBRULE(this.refusedPair) },
    ]),
  );

  protected readonly refusedPair: Rule<string> = this.RULE('refusedPair', (): string => {
    const first = this.OR([
      { ALT: () => this.CONSUME(K.access) },
      { ALT: () => this.CONSUME(K.constraint) },
      { ALT: () => this.CONSUME(K.default) },
      { ALT: () => this.CONSUME(K.event) },
      { ALT: () => this.CONSUME(K.foreign) },
      { ALT: () => this.CONSUME(K.large) },
      { ALT: () => this.CONSUME(K.procedural) },
      { ALT: () => this.CONSUME(K.text) },
      { ALT: () => this.CONSUME(K.trusted) },
    ]);
    return `${valueOf(first)} ${valueOf(this.CONSUME(T.ColumnLabel))}`;
  });

  protected readonly skipRest: Rule<void> = this.RULE('skipRest', (): void => {
    this.MANY(() => {
      this.CONSUME(T.AnyToken);
    });
  });
}
