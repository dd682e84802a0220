/**
 * What statements become, and how wrong ones are refused. The errors were compared with those of PostgreSQL 15,
 * message and position, when they were written down.
 *
 * `> SQL` dumps the trees, `[positions]` with positions; `size:> SQL` counts their nodes; `lift:> SQL` shows the lifted
 * form and its values; `print:> expression` prints an expression.
 */
import { SqlError } from '../../../sql/errors/sql-error.ts';
import { liftLiterals } from '../../../sql/parser/literals.ts';
import { parseExpression, parseStatements } from '../../../sql/parser/parse.ts';
import { printExpression } from '../../../sql/parser/print.ts';
import type { Command } from '../../support/goldenscript.ts';
import { describeScripts } from '../../support/goldenscript.ts';
import { dumpAst } from './dump-ast.ts';

function run(command: Command): string {
  const sql = command.text;
  if (sql === undefined) throw command.unknown();
  const positions = command.tag('positions');
  if (command.actor === 'lift') return lift(sql);
  try {
    if (command.actor === 'print') return printExpression(parseExpression(sql));
    const statements = parseStatements(sql);
    if (statements.length === 0) return 'empty';
    return statements
      .map(({ statement, start, end, parameterCount }) => {
        if (command.actor === 'size') return countNodes(statement);
        const parameters = parameterCount === 0 ? '' : `\nparameters ${parameterCount}`;
        const slice = statements.length === 1 ? '' : `${start}..${end} `;
        return slice + dumpAst(statement, { positions }) + parameters;
      })
      .join('\n');
  } catch (error) {
    if (!(error instanceof SqlError)) throw error;
    const hint = error.hint === undefined ? '' : `\n  hint: ${error.hint}`;
    return `${error.sqlState} ${error.message} @${String(error.position)}${hint}`;
  }
}

/** The kinds of nodes in a tree and how many there are. */
function countNodes(statement: unknown): string {
  const counts = new Map<string, number>();
  JSON.stringify(statement, (key, value: unknown) => {
    if (key === 'kind') counts.set(String(value), (counts.get(String(value)) ?? 0) + 1);
    return value;
  });
  return [...counts].map(([kind, count]) => `${kind} ${count}`).join(', ');
}

function lift(sql: string): string {
  const lifted = liftLiterals(sql);
  if (lifted === undefined) return 'not lifted';
  const values = lifted.values.map((value, i) => `${lifted.kinds.charAt(i)}:${String(value)}`);
  return `${lifted.text}\n${values.join(' ')}`;
}

describeScripts('parser', import.meta.dirname, () => run);
