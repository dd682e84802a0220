/** SET, RESET, SHOW and DISCARD. */
import { SqlError } from '../errors/sql-error.ts';
import { SQLSTATE } from '../errors/sqlstate.ts';
import type { Steps } from '../../src/base/steps.ts';
import { wait } from '../../src/base/steps.ts';
import type {
  Discard,
  ResetVariable,
  SetVariable,
  SettingValue,
  ShowVariable,
} from '../parser/ast-statement.ts';
import { TEXT } from '../types/sql-type.ts';
import type { ResultColumn, ResultSink } from './session-api.ts';
import type { SessionContext } from './session-context.ts';
import { settingDefinition } from './setting-definitions.ts';

/** Settings that describe the running block. */
const OF_BLOCK = new Set([
  'transaction_isolation',
  'transaction_read_only',
  'transaction_deferrable',
]);
/** Lists of names: their values are quoted where need be. */
const NAME_LISTS = new Set(['search_path', 'temp_tablespaces']);

export function setVariable(ctx: SessionContext, statement: SetVariable, sink: ResultSink): string {
  const isOfBlock = OF_BLOCK.has(statement.name.toLowerCase());
  if ((statement.scope === 'local' || isOfBlock) && ctx.block === undefined) {
    ctx.notice(sink, {
      severity: 'WARNING',
      sqlState: SQLSTATE.NO_ACTIVE_SQL_TRANSACTION,
      message: 'SET LOCAL can only be used in transaction blocks',
    });
    // Checked all the same: a bad value is an error anywhere.
    const before = ctx.settings.mark();
    ctx.settings.set(statement.name, valueOf(statement), true);
    ctx.settings.rollbackTo(before);
    return 'SET';
  }
  const value = valueOf(statement);
  ctx.settings.set(statement.name, value, statement.scope === 'local' || isOfBlock);
  if (statement.name === 'transaction_read_only' && ctx.block !== undefined) {
    ctx.block.isReadOnly = ctx.settings.show('transaction_read_only') === 'on';
  }
  return 'SET';
}

export function resetVariable(ctx: SessionContext, statement: ResetVariable): string {
  if (statement.name === undefined) ctx.settings.resetAll();
  else ctx.settings.set(statement.name, undefined, false);
  return 'RESET';
}

export function* showVariable(
  statement: ShowVariable,
  ctx: SessionContext,
  sink: ResultSink,
): Steps<string> {
  if (statement.name === undefined) {
    sink.columns([textColumn('name'), textColumn('setting'), textColumn('description')]);
    for (const [name, value] of ctx.settings.all()) yield* wait(sink.row([name, value, '']));
    return 'SHOW';
  }
  const value = ctx.settings.show(statement.name);
  sink.columns(showColumns(statement));
  yield* wait(sink.row([value]));
  return 'SHOW';
}

/** What Describe answers for SHOW. */
export function showColumns(statement: ShowVariable): readonly ResultColumn[] {
  if (statement.name === undefined) {
    return [textColumn('name'), textColumn('setting'), textColumn('description')];
  }
  return [textColumn(settingDefinition(statement.name)?.name ?? statement.name)];
}

export function discard(ctx: SessionContext, statement: Discard): string {
  if (statement.what === 'all') {
    if (ctx.block?.isExplicit === true) {
      throw new SqlError(
        SQLSTATE.ACTIVE_SQL_TRANSACTION,
        'DISCARD ALL cannot run inside a transaction block',
      );
    }
    for (const [name, portal] of ctx.portals) {
      if (portal.isRunning) continue;
      portal.close();
      ctx.portals.delete(name);
    }
    ctx.settings.resetAll();
    ctx.prepared.clear();
  }
  if (statement.what === 'all' || statement.what === 'sequences') ctx.sequences.discard();
  return `DISCARD ${statement.what.toUpperCase()}`;
}

export function textColumn(name: string): ResultColumn {
  return { name, type: TEXT, tableId: 0, columnNumber: 0 };
}

function valueOf(statement: SetVariable): string | undefined {
  const { name, values } = statement;
  const [first] = values;
  if (first === undefined) return undefined;
  if (name === 'timezone') {
    if (first.kind === 'word' && ['local', 'default'].includes(first.text)) return undefined;
    return first.text;
  }
  if (NAME_LISTS.has(name)) return values.map(quotedName).join(', ');
  return values.map((value) => value.text).join(', ');
}

function quotedName(value: SettingValue): string {
  if (value.text === '' || value.kind === 'number') return value.text;
  if (/^[a-z_][a-z0-9_$]*$/.test(value.text) || value.text.includes(',')) return value.text;
  return `"${value.text.replaceAll('"', '""')}"`;
}
