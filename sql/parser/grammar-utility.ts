/**
 * Prepared statements, cursors, COPY, EXPLAIN, maintenance, and the statements that are only named and refused.
 */
import type { Identifier, QualifiedName, TypeName } from './ast.ts';
import type { StorageParameter } from './ast-schema.ts';
import type { FetchCursor, MaintenanceTarget, Statement } from './ast-statement.ts';
import { CopyGrammar } from './grammar-copy.ts';
import { valueOf } from './grammar-base.ts';
import type { Rule } from './grammar-base.ts';
import * as T from './tokens.ts';
import { K } from './tokens.ts';

type Movement = Pick<FetchCursor, 'direction' | 'count'>;

export abstract class UtilityGrammar extends CopyGrammar {
  protected abstract readonly statement: Rule<Statement>;

  protected readonly prepare: Rule<Statement> = this.RULE('prepare', (): Statement => {
    const position = this.CONSUME(K.prepare).startOffset;
    return this.OR<Statement>([
      {
        GATE: () => this.isNext(K.transaction) && this.isSecond(T.StringLiteral),
        ALT: () => {
          this.CONSUME(K.transaction);
          this.SUBRULE(this.skipRest);
          return { kind: 'unsupported', phrase: 'PREPARE TRANSACTION', position };
        },
      },
      {
        ALT: () => {
          const { name } = this.SUBRULE(this.identifier);
          const parameterTypes = this.OPTION(() => this.SUBRULE(this.typeList)) ?? [];
          this.CONSUME(K.as);
          const statementStart = this.here();
          const statement = this.SUBRULE(this.dataStatement);
          const statementEnd = this.behind();
          const slice = { statementStart, statementEnd };
          return { kind: 'prepare', name, parameterTypes, statement, ...slice, position };
        },
      },
    ]);
  });

  protected readonly typeList: Rule<TypeName[]> = this.RULE('typeList', (): TypeName[] => {
    const types: TypeName[] = [];
    this.CONSUME(T.LeftParen);
    this.AT_LEAST_ONE_SEP({
      SEP: T.Comma,
      DEF: () => {
        types.push(this.SUBRULE(this.typeName));
      },
    });
    this.CONSUME(T.RightParen);
    return types;
  });

  protected readonly execute: Rule<Statement> = this.RULE('execute', (): Statement => {
    const position = this.CONSUME(K.execute).startOffset;
    const { name } = this.SUBRULE(this.identifier);
    const args = this.OPTION(() => {
      this.CONSUME(T.LeftParen);
      const list = this.SUBRULE(this.expressionList);
      this.CONSUME(T.RightParen);
      return list;
    });
    return { kind: 'execute', name, args: args ?? [], position };
  });

  protected readonly deallocate: Rule<Statement> = this.RULE('deallocate', (): Statement => {
    const position = this.CONSUME(K.deallocate).startOffset;
    this.OPTION({
      GATE: () => this.isSecond(K.all) || T.COLUMN_NAMES.has(this.LA(2).tokenType),
      DEF: () => this.CONSUME(K.prepare),
    });
    return { kind: 'deallocate', name: this.SUBRULE(this.nameOrAll), position };
  });

  protected readonly nameOrAll: Rule<string | undefined> = this.RULE(
    'nameOrAll',
    (): string | undefined =>
      this.OR<string | undefined>([
        { ALT: () => (this.CONSUME(K.all), undefined) },
        { ALT: () => this.SUBRULE(this.identifier).name },
      ]),
  );

  // -- Cursors --------------------------------------------------------------------------------------------------

  protected readonly declareCursor: Rule<Statement> = this.RULE('declareCursor', (): Statement => {
    const position = this.CONSUME(K.declare).startOffset;
    const { name } = this.SUBRULE(this.identifier);
    let isBinary = false;
    let scroll: boolean | undefined;
    this.MANY(() => {
      this.OR([
        {
          ALT: () => {
            this.CONSUME(K.binary);
            isBinary = true;
          },
        },
        { ALT: () => this.CONSUME(K.asensitive) },
        { ALT: () => this.CONSUME(K.insensitive) },
        {
          ALT: () => {
            this.CONSUME(K.scroll);
            scroll = true;
          },
        },
        {
          ALT: () => {
            this.CONSUME(K.no);
            this.CONSUME1(K.scroll);
            scroll = false;
          },
        },
      ]);
    });
    this.CONSUME(K.cursor);
    const withHold = this.OPTION(() => {
      const isHeld = this.OR1([
        { ALT: () => (this.CONSUME(K.with), true) },
        { ALT: () => (this.CONSUME(K.without), false) },
      ]);
      this.CONSUME(K.hold);
      return isHeld;
    });
    this.CONSUME(K.for);
    const query = this.SUBRULE(this.query);
    const held = withHold === true;
    return { kind: 'declare cursor', name, isBinary, scroll, withHold: held, query, position };
  });

  protected readonly fetch: Rule<Statement> = this.RULE('fetch', (): Statement => {
    const position = this.here();
    const isMove = this.OR([
      { ALT: () => (this.CONSUME(K.fetch), false) },
      { ALT: () => (this.CONSUME(K.move), true) },
    ]);
    // A direction word may also be the cursor's name, which then ends the statement.
    const movement = this.OPTION({
      GATE: () => !this.#isEndAt(2) || !T.COLUMN_NAMES.has(this.LA(1).tokenType),
      DEF: () => this.SUBRULE(this.movement),
    });
    this.OPTION1(() =>
      this.OR1([{ ALT: () => this.CONSUME(K.from) }, { ALT: () => this.CONSUME(K.in) }]),
    );
    const { name } = this.SUBRULE(this.identifier);
    const { direction, count } = movement ?? { direction: 'forward', count: 1 };
    return { kind: 'fetch', isMove, name, direction, count, position };
  });

  #isEndAt(offset: number): boolean {
    const { tokenType } = this.LA(offset);
    return tokenType === T.Semicolon || tokenType.name === 'EOF';
  }

  protected readonly movement: Rule<Movement> = this.RULE('movement', (): Movement =>
    this.OR<Movement>([
      { ALT: () => (this.CONSUME(K.next), { direction: 'forward', count: 1 }) },
      { ALT: () => (this.CONSUME(K.prior), { direction: 'backward', count: 1 }) },
      { ALT: () => (this.CONSUME(K.first), { direction: 'absolute', count: 1 }) },
      { ALT: () => (this.CONSUME(K.last), { direction: 'absolute', count: -1 }) },
      { ALT: () => (this.CONSUME(K.all), { direction: 'forward', count: 'all' }) },
      { ALT: () => ({ direction: 'forward', count: Number(this.SUBRULE(this.signedNumber)) }) },
      {
        ALT: () => {
          const direction = this.OR1<'absolute' | 'relative'>([
            { ALT: () => (this.CONSUME(K.absolute), 'absolute') },
            { ALT: () => (this.CONSUME(K.relative), 'relative') },
          ]);
          return { direction, count: Number(this.SUBRULE1(this.signedNumber)) };
        },
      },
      {
        ALT: () => {
          const direction = this.OR2<'forward' | 'backward'>([
            { ALT: () => (this.CONSUME(K.forward), 'forward') },
            { ALT: () => (this.CONSUME(K.backward), 'backward') },
          ]);
          const count = this.OPTION(() =>
            this.OR3<number | 'all'>([
              { ALT: () => (this.CONSUME1(K.all), 'all') },
              { ALT: () => Number(this.SUBRULE2(this.signedNumber)) },
            ]),
          );
          return { direction, count: count ?? 1 };
        },
      },
    ]),
  );

  protected readonly closeCursor: Rule<Statement> = this.RULE('closeCursor', (): Statement => {
    const position = this.CONSUME(K.close).startOffset;
    return { kind: 'close', name: this.SUBRULE(this.nameOrAll), position };
  });

  // -- EXPLAIN and maintenance ----------------------------------------------------------------------------------

  protected readonly explain: Rule<Statement> = this.RULE('explain', (): Statement => {
    const position = this.CONSUME(K.explain).startOffset;
    const options: StorageParameter[] = [];
    this.OR([
      {
        GATE: () => this.isNext(T.LeftParen) && !this.#isQueryAt(2),
        ALT: () => options.push(...this.list(this.SUBRULE(this.utilityOptions))),
      },
      {
        ALT: () => {
          this.OPTION(() => options.push(option(this.SUBRULE(this.analyzeWord))));
          this.OPTION1(() => options.push(option(this.CONSUME(K.verbose))));
        },
      },
    ]);
    const statement = this.SUBRULE(this.statement);
    return { kind: 'explain', options, statement, position };
  });

  #isQueryAt(offset: number): boolean {
    let i = offset;
    while (this.LA(i).tokenType === T.LeftParen) i++;
    const type = this.LA(i).tokenType;
    return type === K.select || type === K.values || type === K.with || type === K.table;
  }

  protected readonly analyzeWord: Rule<ReturnType<typeof this.LA>> = this.RULE(
    'analyzeWord',
    (): ReturnType<typeof this.LA> =>
      this.OR([{ ALT: () => this.CONSUME(K.analyze) }, { ALT: () => this.CONSUME(K.analyse) }]),
  );

  /** `(analyze, format json, parallel 2)` */
  protected readonly utilityOptions: Rule<StorageParameter[]> = this.RULE(
    'utilityOptions',
    (): StorageParameter[] => {
      const options: StorageParameter[] = [];
      this.CONSUME(T.LeftParen);
      this.AT_LEAST_ONE_SEP({
        SEP: T.Comma,
        DEF: () => {
          const token = this.OR([
            { ALT: () => this.CONSUME(T.NonReservedWord) },
            { ALT: () => this.SUBRULE(this.analyzeWord) },
          ]);
          const value = this.OPTION(() => this.SUBRULE(this.plainValue));
          options.push({ ...option(token), value });
        },
      });
      this.CONSUME(T.RightParen);
      return options;
    },
  );

  protected readonly vacuum: Rule<Statement> = this.RULE('vacuum', (): Statement => {
    const position = this.CONSUME(K.vacuum).startOffset;
    const options: StorageParameter[] = [];
    this.OR([
      {
        GATE: () => this.isNext(T.LeftParen),
        ALT: () => options.push(...this.list(this.SUBRULE(this.utilityOptions))),
      },
      {
        ALT: () => {
          this.OPTION(() => options.push(option(this.CONSUME(K.full))));
          this.OPTION1(() => options.push(option(this.CONSUME(K.freeze))));
          this.OPTION2(() => options.push(option(this.CONSUME(K.verbose))));
          this.OPTION3(() => options.push(option(this.SUBRULE(this.analyzeWord))));
        },
      },
    ]);
    const tables = this.OPTION4(() => this.SUBRULE(this.maintenanceTargets));
    return { kind: 'vacuum', options, tables: tables ?? [], position };
  });

  protected readonly analyze: Rule<Statement> = this.RULE('analyze', (): Statement => {
    const position = this.SUBRULE(this.analyzeWord).startOffset;
    const options: StorageParameter[] = [];
    this.OPTION(() => {
      this.OR([
        { ALT: () => options.push(...this.list(this.SUBRULE(this.utilityOptions))) },
        { ALT: () => options.push(option(this.CONSUME(K.verbose))) },
      ]);
    });
    const tables = this.OPTION1(() => this.SUBRULE(this.maintenanceTargets));
    return { kind: 'analyze', options, tables: tables ?? [], position };
  });

  protected readonly maintenanceTargets: Rule<MaintenanceTarget[]> = this.RULE(
    'maintenanceTargets',
    (): MaintenanceTarget[] => {
      const targets: MaintenanceTarget[] = [];
      this.AT_LEAST_ONE_SEP({
        SEP: T.Comma,
        DEF: () => {
          const table: QualifiedName = this.SUBRULE(this.qualifiedName);
          const columns: readonly Identifier[] =
            this.OPTION(() => this.SUBRULE(this.parenthesizedNames)) ?? [];
          targets.push({ table, columns });
        },
      });
      return targets;
    },
  );

  protected readonly lockTable: Rule<Statement> = this.RULE('lockTable', (): Statement => {
    const position = this.CONSUME(K.lock).startOffset;
    this.OPTION(() => this.CONSUME(K.table));
    const tables = this.SUBRULE(this.maintainedTables);
    const mode = this.OPTION1(() => {
      this.CONSUME(K.in);
      const words = this.SUBRULE(this.lockMode);
      this.CONSUME(K.mode);
      return words;
    });
    const nowait = this.OPTION2(() => this.CONSUME(K.nowait)) !== undefined;
    return { kind: 'lock table', tables, mode: mode ?? 'access exclusive', nowait, position };
  });

  protected readonly lockMode: Rule<string> = this.RULE('lockMode', (): string => {
    const words: string[] = [];
    this.AT_LEAST_ONE(() => {
      const token = this.OR([
        { ALT: () => this.CONSUME(K.access) },
        { ALT: () => this.CONSUME(K.exclusive) },
        { ALT: () => this.CONSUME(K.row) },
        { ALT: () => this.CONSUME(K.share) },
        { ALT: () => this.CONSUME(K.update) },
      ]);
      words.push(valueOf(token));
    });
    return words.join(' ');
  });

  protected readonly comment: Rule<Statement> = this.RULE('comment', (): Statement => {
    const position = this.CONSUME(K.comment).startOffset;
    this.CONSUME(K.on);
    const objectType = valueOf(this.CONSUME(T.ColumnLabel));
    const name = this.OPTION(() => this.SUBRULE(this.dottedName)) ?? [];
    // Of other objects the name has more to it (arguments, ON table), which nobody needs.
    this.MANY({
      GATE: () => !this.isNext(K.is),
      DEF: () => this.CONSUME(T.AnyToken),
    });
    this.CONSUME(K.is);
    const text = this.OR<string | undefined>([
      { ALT: () => valueOf(this.CONSUME(T.StringLiteral)) },
      { ALT: () => (this.CONSUME(K.null), undefined) },
    ]);
    return { kind: 'comment', objectType, name, text, position };
  });

  // -- Notifications and the rest ------------------------------------------------------------------------------

  protected readonly notifications: Rule<Statement> = this.RULE('notifications', (): Statement => {
    const position = this.here();
    return this.OR<Statement>([
      {
        ALT: () => {
          this.CONSUME(K.listen);
          return { kind: 'listen', channel: this.SUBRULE(this.identifier).name, position };
        },
      },
      {
        ALT: () => {
          this.CONSUME(K.notify);
          const channel = this.SUBRULE1(this.identifier).name;
          const payload = this.OPTION(() => {
            this.CONSUME(T.Comma);
            return valueOf(this.CONSUME(T.StringLiteral));
          });
          return { kind: 'notify', channel, payload, position };
        },
      },
      {
        ALT: () => {
          this.CONSUME(K.unlisten);
          const channel = this.OR1<string | undefined>([
            { ALT: () => (this.CONSUME(T.Star), undefined) },
            { ALT: () => this.SUBRULE2(this.identifier).name },
          ]);
          return { kind: 'unlisten', channel, position };
        },
      },
    ]);
  });

  protected readonly checkpoint: Rule<Statement> = this.RULE('checkpoint', (): Statement => ({
    kind: 'checkpoint',
    position: this.CONSUME(K.checkpoint).startOffset,
  }));

  /** Statements known by their first word only. */
  protected readonly refusedStatement: Rule<Statement> = this.RULE(
    'refusedStatement',
    (): Statement => {
      const token = this.OR([
        { ALT: () => this.CONSUME(K.call) },
        { ALT: () => this.CONSUME(K.cluster) },
        { ALT: () => this.CONSUME(K.do) },
        { ALT: () => this.CONSUME(K.grant) },
        { ALT: () => this.CONSUME(K.import) },
        { ALT: () => this.CONSUME(K.load) },
        { ALT: () => this.CONSUME(K.merge) },
        { ALT: () => this.CONSUME(K.reassign) },
        { ALT: () => this.CONSUME(K.refresh) },
        { ALT: () => this.CONSUME(K.reindex) },
        { ALT: () => this.CONSUME(K.revoke) },
        { ALT: () => this.CONSUME(K.security) },
      ]);
      this.SUBRULE(this.skipRest);
      const phrase = PHRASES.get(valueOf(token)) ?? valueOf(token).toUpperCase();
      return { kind: 'unsupported', phrase, position: token.startOffset };
    },
  );
}

const PHRASES: ReadonlyMap<string, string> = new Map([
  ['import', 'IMPORT FOREIGN SCHEMA'],
  ['reassign', 'REASSIGN OWNED'],
  ['refresh', 'REFRESH MATERIALIZED VIEW'],
  ['security', 'SECURITY LABEL'],
]);

function option(token: { readonly startOffset: number }): StorageParameter {
  const name = valueOf(token as ReturnType<UtilityGrammar['LA']>);
  return {
    name: name === 'analyse' ? 'analyze' : name,
    value: undefined,
    position: token.startOffset,
  };
}
