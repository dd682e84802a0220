/**
 * The whole grammar: which word begins which statement, and statements separated by semicolons. It extends, from the
 * bottom: names, types, expressions, calls, operands, FROM, queries, changes, tables, CREATE, ALTER, settings, COPY,
 * and the other statements, each in a file of its own.
 *
 * Making one takes tens of milliseconds; one serves a process, since parsing is synchronous.
 */
import type { ParsedStatement, Statement } from './ast-statement.ts';
import type { GrammarOptions, Rule } from './grammar-base.ts';
import { UtilityGrammar } from './grammar-utility.ts';
import type { SqlToken } from './tokens.ts';
import * as T from './tokens.ts';
import type { Expr } from './ast.ts';

export class Grammar extends UtilityGrammar {
  constructor(options: GrammarOptions) {
    super(options);
    this.performSelfAnalysis();
  }

  /** Throws nothing but `SqlError`, and RangeError when the JavaScript stack is nearly full already. */
  parseStatements(text: string, tokens: SqlToken[]): ParsedStatement[] {
    this.open(text, tokens);
    try {
      return this.statements();
    } finally {
      this.close();
    }
  }

  /** One expression and nothing else. */
  parseExpression(text: string, tokens: SqlToken[]): Expr {
    this.open(text, tokens);
    try {
      const expr = this.expr();
      if (!this.isAtEnd()) throw this.syntaxErrorAt(this.LA(1));
      return expr;
    } finally {
      this.close();
    }
  }

  private isAtEnd(): boolean {
    return this.LA(1).tokenType.name === 'EOF';
  }

  readonly statements: Rule<ParsedStatement[]> = this.RULE('statements', (): ParsedStatement[] => {
    const found: ParsedStatement[] = [];
    this.MANY_SEP({
      SEP: T.Semicolon,
      DEF: () => {
        this.OPTION({
          GATE: () => !this.isNext(T.Semicolon) && !this.isAtEnd(),
          DEF: () => {
            this.beginStatement();
            const start = this.here();
            const statement = this.SUBRULE(this.statement);
            const end = this.behind();
            found.push({ statement, start, end, parameterCount: this.parameterCount });
          },
        });
      },
    });
    if (!this.RECORDING_PHASE && !this.isAtEnd()) throw this.syntaxErrorAt(this.LA(1));
    return found;
  });

  protected readonly statement: Rule<Statement> = this.RULE('statement', (): Statement =>
    this.OR<Statement>([
      { ALT: () => this.SUBRULE(this.dataStatement) },
      { ALT: () => this.SUBRULE(this.begin) },
      { ALT: () => this.SUBRULE(this.commit) },
      { ALT: () => this.SUBRULE(this.rollback) },
      { ALT: () => this.SUBRULE(this.savepoint) },
      { ALT: () => this.SUBRULE(this.release) },
      { ALT: () => this.SUBRULE(this.set) },
      { ALT: () => this.SUBRULE(this.show) },
      { ALT: () => this.SUBRULE(this.resetVariable) },
      { ALT: () => this.SUBRULE(this.discard) },
      { ALT: () => this.SUBRULE(this.prepare) },
      { ALT: () => this.SUBRULE(this.execute) },
      { ALT: () => this.SUBRULE(this.deallocate) },
      { ALT: () => this.SUBRULE(this.declareCursor) },
      { ALT: () => this.SUBRULE(this.fetch) },
      { ALT: () => this.SUBRULE(this.closeCursor) },
      { ALT: () => this.SUBRULE(this.copy) },
      { ALT: () => this.SUBRULE(this.explain) },
      { ALT: () => this.SUBRULE(this.create) },
      { ALT: () => this.SUBRULE(this.drop) },
      { ALT: () => this.SUBRULE(this.alter) },
      { ALT: () => this.SUBRULE(this.truncate) },
      { ALT: () => this.SUBRULE(this.vacuum) },
      { ALT: () => this.SUBRULE(this.analyze) },
      { ALT: () => this.SUBRULE(this.lockTable) },
      { ALT: () => this.SUBRULE(this.comment) },
      { ALT: () => this.SUBRULE(this.notifications) },
      { ALT: () => this.SUBRULE(this.checkpoint) },
      { ALT: () => this.SUBRULE(this.refusedStatement) },
    ]),
  );
}
