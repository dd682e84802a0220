/**
 * Transactions and settings: BEGIN, COMMIT, SAVEPOINT, SET, SHOW, RESET, DISCARD.
 */
import type { SettingValue, Statement, TransactionModes } from './ast-statement.ts';
import { AlterGrammar } from './grammar-alter.ts';
import { valueOf } from './grammar-base.ts';
import type { Rule } from './grammar-base.ts';
import * as T from './tokens.ts';
import { K } from './tokens.ts';

type Isolation = NonNullable<TransactionModes['isolation']>;
interface Modes {
  isolation: TransactionModes['isolation'];
  readOnly: boolean | undefined;
  deferrable: boolean | undefined;
}

export abstract class SessionGrammar extends AlterGrammar {
  protected readonly begin: Rule<Statement> = this.RULE('begin', (): Statement => {
    const position = this.here();
    const isStart = this.OR([
      {
        ALT: () => {
          this.CONSUME(K.begin);
          this.SUBRULE(this.transactionWord);
          return false;
        },
      },
      {
        ALT: () => {
          this.CONSUME(K.start);
          this.CONSUME(K.transaction);
          return true;
        },
      },
    ]);
    const modes = this.SUBRULE(this.transactionModes);
    return { kind: 'begin', isStart, modes, position };
  });

  /** The optional WORK or TRANSACTION. */
  protected readonly transactionWord: Rule<void> = this.RULE('transactionWord', (): void => {
    this.OPTION(() =>
      this.OR([{ ALT: () => this.CONSUME(K.work) }, { ALT: () => this.CONSUME(K.transaction) }]),
    );
  });

  protected readonly transactionModes: Rule<TransactionModes> = this.RULE(
    'transactionModes',
    (): TransactionModes => {
      const modes: Modes = { isolation: undefined, readOnly: undefined, deferrable: undefined };
      this.MANY(() => {
        this.OPTION(() => this.CONSUME(T.Comma));
        this.SUBRULE(this.transactionMode, { ARGS: [modes] });
      });
      return modes;
    },
  );

  protected readonly transactionMode: Rule<void, [modes: Modes]> = this.RULE(
    'transactionMode',
    (modes: Modes = { isolation: undefined, readOnly: undefined, deferrable: undefined }): void => {
      this.OR([
        {
          ALT: () => {
            this.CONSUME(K.isolation);
            this.CONSUME(K.level);
            modes.isolation = this.SUBRULE(this.isolationLevel);
          },
        },
        {
          ALT: () => {
            this.CONSUME(K.read);
            modes.readOnly = this.OR1([
              { ALT: () => (this.CONSUME(K.only), true) },
              { ALT: () => (this.CONSUME(K.write), false) },
            ]);
          },
        },
        {
          ALT: () => {
            const negated = this.OPTION(() => this.CONSUME(K.not)) !== undefined;
            this.CONSUME(K.deferrable);
            modes.deferrable = !negated;
          },
        },
      ]);
    },
  );

  protected readonly isolationLevel: Rule<Isolation> = this.RULE('isolationLevel', (): Isolation =>
    this.OR<Isolation>([
      { ALT: () => (this.CONSUME(K.serializable), 'serializable') },
      {
        ALT: () => {
          this.CONSUME(K.repeatable);
          this.CONSUME(K.read);
          return 'repeatable read';
        },
      },
      {
        ALT: () => {
          this.CONSUME1(K.read);
          return this.OR1<Isolation>([
            { ALT: () => (this.CONSUME(K.committed), 'read committed') },
            { ALT: () => (this.CONSUME(K.uncommitted), 'read uncommitted') },
          ]);
        },
      },
    ]),
  );

  protected readonly commit: Rule<Statement> = this.RULE('commit', (): Statement => {
    const position = this.here();
    this.OR([{ ALT: () => this.CONSUME(K.commit) }, { ALT: () => this.CONSUME(K.end) }]);
    if (this.isNext(K.prepared)) return this.SUBRULE(this.preparedTransaction);
    this.SUBRULE(this.transactionWord);
    return { kind: 'commit', andChain: this.SUBRULE(this.andChain), position };
  });

  protected readonly rollback: Rule<Statement> = this.RULE('rollback', (): Statement => {
    const position = this.here();
    this.OR([{ ALT: () => this.CONSUME(K.rollback) }, { ALT: () => this.CONSUME(K.abort) }]);
    if (this.isNext(K.prepared)) return this.SUBRULE(this.preparedTransaction);
    this.SUBRULE(this.transactionWord);
    const name = this.OPTION(() => {
      this.CONSUME(K.to);
      this.OPTION1({
        GATE: () => T.COLUMN_NAMES.has(this.LA(2).tokenType),
        DEF: () => this.CONSUME(K.savepoint),
      });
      return this.SUBRULE(this.identifier).name;
    });
    if (name !== undefined && !this.RECORDING_PHASE) {
      return { kind: 'rollback to savepoint', name, position };
    }
    return { kind: 'rollback', andChain: this.SUBRULE(this.andChain), position };
  });

  /** PREPARED, of two-phase commit by clients: refused. */
  protected readonly preparedTransaction: Rule<Statement> = this.RULE(
    'preparedTransaction',
    (): Statement => {
      const position = this.CONSUME(K.prepared).startOffset;
      this.SUBRULE(this.skipRest);
      return { kind: 'unsupported', phrase: 'PREPARED', position };
    },
  );

  protected readonly andChain: Rule<boolean> = this.RULE('andChain', (): boolean => {
    let andChain = false;
    this.OPTION(() => {
      this.CONSUME(K.and);
      andChain = this.OPTION1(() => this.CONSUME(K.no)) === undefined;
      this.CONSUME(K.chain);
    });
    return andChain;
  });

  protected readonly savepoint: Rule<Statement> = this.RULE('savepoint', (): Statement => {
    const position = this.CONSUME(K.savepoint).startOffset;
    return { kind: 'savepoint', name: this.SUBRULE(this.identifier).name, position };
  });

  protected readonly release: Rule<Statement> = this.RULE('release', (): Statement => {
    const position = this.CONSUME(K.release).startOffset;
    this.OPTION({
      GATE: () => T.COLUMN_NAMES.has(this.LA(2).tokenType),
      DEF: () => this.CONSUME(K.savepoint),
    });
    return { kind: 'release savepoint', name: this.SUBRULE(this.identifier).name, position };
  });

  // -- Settings -------------------------------------------------------------------------------------------------

  protected readonly set: Rule<Statement> = this.RULE('set', (): Statement => {
    const position = this.CONSUME(K.set).startOffset;
    let scope: 'session' | 'local' = 'session';
    this.OPTION({
      GATE: () => this.#isScopeNext(),
      DEF: () => {
        scope = this.OR1<'session' | 'local'>([
          { ALT: () => (this.CONSUME(K.session), 'session') },
          { ALT: () => (this.CONSUME(K.local), 'local') },
        ]);
      },
    });
    return this.OR<Statement>([
      {
        GATE: () => this.isNext(K.transaction) && !this.#isAssignmentSecond(),
        ALT: () => {
          this.CONSUME(K.transaction);
          if (this.isNext(K.snapshot)) this.refuse(this.here(), 'SET TRANSACTION SNAPSHOT');
          const modes = this.SUBRULE(this.transactionModes);
          return { kind: 'set transaction', isSessionDefault: false, modes, position };
        },
      },
      {
        GATE: () => this.isNext(K.characteristics) && !this.#isAssignmentSecond(),
        ALT: () => {
          this.CONSUME(K.characteristics);
          this.CONSUME(K.as);
          this.CONSUME1(K.transaction);
          const modes = this.SUBRULE1(this.transactionModes);
          return { kind: 'set transaction', isSessionDefault: true, modes, position };
        },
      },
      {
        GATE: () => this.isNext(K.constraints) && !this.#isAssignmentSecond(),
        ALT: () => {
          this.CONSUME(K.constraints);
          this.SUBRULE(this.skipRest);
          return { kind: 'unsupported', phrase: 'SET CONSTRAINTS', position };
        },
      },
      {
        GATE: () => !this.#isAssignmentSecond(),
        ALT: () => {
          const { name, values } = this.SUBRULE(this.namedSetting);
          return { kind: 'set', scope, name, values, position };
        },
      },
      {
        ALT: () => {
          const name = this.SUBRULE(this.settingName);
          this.OR2([{ ALT: () => this.CONSUME(K.to) }, { ALT: () => this.CONSUME(T.Equals) }]);
          const values = this.SUBRULE(this.settingValues);
          return { kind: 'set', scope, name, values, position };
        },
      },
    ]);
  });

  /** SESSION and LOCAL are scopes unless they are the setting itself: `SET session.x = 1` has a dot. */
  #isScopeNext(): boolean {
    return !this.#isAssignmentSecond() && this.LA(2).tokenType.name !== 'EOF';
  }

  #isAssignmentSecond(): boolean {
    const second = this.LA(2).tokenType;
    return second === T.Equals || second === K.to || second === T.Dot;
  }

  protected readonly settingName: Rule<string> = this.RULE('settingName', (): string => {
    const parts = this.SUBRULE(this.dottedName);
    return this.list(parts).join('.').toLowerCase();
  });

  /** TIME ZONE, NAMES, ROLE, SCHEMA, SESSION AUTHORIZATION: settings with words of their own. */
  protected readonly namedSetting: Rule<{ name: string; values: SettingValue[] }> = this.RULE(
    'namedSetting',
    (): { name: string; values: SettingValue[] } => {
      const name = this.OR([
        {
          IGNORE_AMBIGUITIES: true,
          ALT: () => {
            this.CONSUME(K.time);
            this.CONSUME(K.zone);
            return 'timezone';
          },
        },
        { IGNORE_AMBIGUITIES: true, ALT: () => (this.CONSUME(K.names), 'client_encoding') },
        { IGNORE_AMBIGUITIES: true, ALT: () => (this.CONSUME(K.role), 'role') },
        { IGNORE_AMBIGUITIES: true, ALT: () => (this.CONSUME(K.schema), 'search_path') },
        { ALT: () => (this.CONSUME(K.authorization), 'session_authorization') },
        { ALT: () => this.SUBRULE(this.fromCurrent) },
      ]);
      const values = this.OPTION({
        GATE: () => name !== '',
        DEF: () => this.SUBRULE(this.settingValues),
      });
      return { name, values: values ?? [] };
    },
  );

  /** `SET x FROM CURRENT` belongs to functions; anything else without TO is a syntax error behind the name. */
  protected readonly fromCurrent: Rule<string> = this.RULE('fromCurrent', (): string => {
    this.CONSUME(T.ColumnName);
    this.CONSUME(K.to);
    return '';
  });

  /** A list of values, or DEFAULT, which is none. */
  protected readonly settingValues: Rule<SettingValue[]> = this.RULE(
    'settingValues',
    (): SettingValue[] => {
      const values: SettingValue[] = [];
      this.OR([
        { ALT: () => this.CONSUME(K.default) },
        {
          ALT: () => {
            this.AT_LEAST_ONE_SEP({
              SEP: T.Comma,
              DEF: () => {
                values.push(this.SUBRULE(this.settingValue));
              },
            });
          },
        },
      ]);
      return values;
    },
  );

  protected readonly settingValue: Rule<SettingValue> = this.RULE(
    'settingValue',
    (): SettingValue => {
      const position = this.here();
      return this.OR<SettingValue>([
        {
          ALT: () => {
            const text = valueOf(this.CONSUME(T.StringLiteral));
            return { kind: 'string', text, position };
          },
        },
        { ALT: () => ({ kind: 'number', text: this.SUBRULE(this.signedNumber), position }) },
        {
          // SET TIME ZONE INTERVAL '1' HOUR
          GATE: () => this.isNext(K.interval) && this.isSecond(T.StringLiteral),
          ALT: () => {
            this.CONSUME(K.interval);
            const text = valueOf(this.CONSUME1(T.StringLiteral));
            const fields = this.OPTION(() => this.SUBRULE(this.intervalFields));
            return {
              kind: 'string',
              text: fields === undefined ? text : `${text} ${fields}`,
              position,
            };
          },
        },
        {
          ALT: () => {
            const token = this.OR1([
              { ALT: () => this.CONSUME(T.NonReservedWord) },
              { ALT: () => this.CONSUME(K.true) },
              { ALT: () => this.CONSUME(K.false) },
              { ALT: () => this.CONSUME(K.on) },
            ]);
            return { kind: 'word', text: valueOf(token), position };
          },
        },
      ]);
    },
  );

  protected readonly resetVariable: Rule<Statement> = this.RULE('resetVariable', (): Statement => {
    const position = this.CONSUME(K.reset).startOffset;
    const name = this.SUBRULE(this.shownName);
    return { kind: 'reset', name, position };
  });

  /** A setting's name, with the words that some have; undefined for ALL. */
  protected readonly shownName: Rule<string | undefined> = this.RULE(
    'shownName',
    (): string | undefined =>
      this.OR<string | undefined>([
        { ALT: () => (this.CONSUME(K.all), undefined) },
        {
          GATE: () => this.isSecond(K.zone),
          ALT: () => {
            this.CONSUME(K.time);
            this.CONSUME(K.zone);
            return 'timezone';
          },
        },
        {
          GATE: () => this.isSecond(K.isolation),
          ALT: () => {
            this.CONSUME(K.transaction);
            this.CONSUME(K.isolation);
            this.CONSUME(K.level);
            return 'transaction_isolation';
          },
        },
        {
          GATE: () => this.isSecond(K.authorization),
          ALT: () => {
            this.CONSUME(K.session);
            this.CONSUME(K.authorization);
            return 'session_authorization';
          },
        },
        { ALT: () => this.SUBRULE(this.settingName) },
      ]),
  );

  protected readonly show: Rule<Statement> = this.RULE('show', (): Statement => {
    const position = this.CONSUME(K.show).startOffset;
    return this.OR<Statement>([
      {
        GATE: () => this.isNext(K.ranges),
        ALT: () => this.SUBRULE(this.showRanges, { ARGS: [position] }),
      },
      { ALT: () => ({ kind: 'show', name: this.SUBRULE(this.shownName), position }) },
    ]);
  });

  protected readonly showRanges: Rule<Statement, [position: number]> = this.RULE(
    'showRanges',
    (position: number): Statement => {
      this.CONSUME(K.ranges);
      let isIndex = false as boolean;
      const name = this.OPTION(() => {
        this.CONSUME(K.from);
        isIndex = this.OR([
          { ALT: () => (this.CONSUME(K.table), false) },
          { ALT: () => (this.CONSUME(K.index), true) },
        ]);
        return this.SUBRULE(this.qualifiedName);
      });
      const [table, index] = isIndex ? [undefined, name] : [name, undefined];
      return { kind: 'show ranges', table, index, position };
    },
  );

  protected readonly discard: Rule<Statement> = this.RULE('discard', (): Statement => {
    const position = this.CONSUME(K.discard).startOffset;
    const what = this.OR<'all' | 'plans' | 'sequences' | 'temp'>([
      { ALT: () => (this.CONSUME(K.all), 'all') },
      { ALT: () => (this.CONSUME(K.plans), 'plans') },
      { ALT: () => (this.CONSUME(K.sequences), 'sequences') },
      { ALT: () => (this.CONSUME(K.temp), 'temp') },
      { ALT: () => (this.CONSUME(K.temporary), 'temp') },
    ]);
    return { kind: 'discard', what, position };
  });
}
