/**
 * Question: what does a compiled expression cost per row, and what does a statement cost before it runs: scanning its
 * literals, parsing, planning? It can mislead: one closure of each kind is compiled, so that inline caches see fewer
 * shapes than on a busy node.
 */
import { bench, describe } from 'vitest';
import { parseExpression, parseStatements } from '../../sql/parser/parse.ts';
import { liftLiterals } from '../../sql/parser/literals.ts';
import { FOLD_CONTEXT } from '../../sql/plan/fold-context.ts';
import { Planner } from '../../sql/plan/planner.ts';
import type { PlannedStatement } from '../../sql/plan/statement-planner.ts';
import type { Datum } from '../../sql/types/datum.ts';
import { ACCOUNTS_TABLE, accountNumbers, accountRow, cycle } from './accounts.ts';

const planner = new Planner();
const rows = accountNumbers(1024).map(accountRow);

function condition(sql: string): (row: readonly Datum[]) => boolean {
  return planner.condition(ACCOUNTS_TABLE, parseExpression(sql), sql, FOLD_CONTEXT);
}

describe('expression', () => {
  const conditions: readonly string[] = [
    'abalance > 0',
    'abalance + 5 > 10 and bid <> 3',
    'aid between 100 and 200000 or bid in (1, 3, 5, 7)',
    "case when abalance < 0 then 'debt' else 'fine' end = 'debt'",
    'abalance * 1.05 > 100.00',
    "filler like 'a%'",
    'abalance::bigint * 1000000 > 5000000000',
  ];
  for (const sql of conditions) {
    const holds = condition(sql);
    const nextRow = cycle(rows);
    bench(sql, () => {
      holds(nextRow());
    });
  }
});

describe('statement, before it runs', () => {
  const update = 'UPDATE pgbench_accounts SET abalance = abalance + $1 WHERE aid = $2;';
  const [parsed] = parseStatements(update);
  if (parsed === undefined) throw new Error('the statement is gone');
  const statement = parsed.statement as PlannedStatement;
  const nextText = cycle(
    accountNumbers(256).map(
      (aid) => `UPDATE pgbench_accounts SET abalance = abalance + ${aid % 99} WHERE aid = ${aid};`,
    ),
  );
  bench('literals lifted from an UPDATE', () => {
    liftLiterals(nextText());
  });
  bench('an UPDATE parsed', () => {
    parseStatements(update);
  });
  bench('an UPDATE planned', () => {
    planner.plan({
      ...{ text: update, statement, parameterTypes: [undefined, undefined] },
      ...{ catalog: { relation: () => ACCOUNTS_TABLE }, evalContext: FOLD_CONTEXT },
    });
  });
});
