/**
 * Prepared statements and portals by name: Parse, Bind and their SQL forms. The unnamed ones are replaced without
 * asking; a named one has to be closed first.
 */
import { SqlError } from '../errors/sql-error.ts';
import { SQLSTATE } from '../errors/sqlstate.ts';
import type { Steps } from '../../src/base/steps.ts';
import type { ParsedStatement } from '../parser/ast-statement.ts';
import type { Datum } from '../types/datum.ts';
import type { SqlType } from '../types/sql-type.ts';
import { typeOfOid } from '../types/sql-type.ts';
import { Portal } from './portal.ts';
import type { Plan } from '../plan/statement-planner.ts';
import type { PreparedDescription } from './session-api.ts';
import type { SessionContext } from './session-context.ts';

const PREPARED_MAX = 10000;
const PORTALS_MAX = 1000;

export interface PreparedStatement {
  readonly text: string;
  /** Undefined for an empty text. */
  readonly parsed: ParsedStatement | undefined;
  readonly declaredTypes: readonly (SqlType | undefined)[];
  /** Kept from the first time it was described. */
  description: PreparedDescription | undefined;
  /** Its plan, as long as the catalog and the search path are these. */
  ready?: ReadyPlan | undefined;
  /** Of its plan; see planned-runner.ts. */
  key?: { readonly searchPath: readonly string[]; readonly text: string } | undefined;
}

export interface ReadyPlan {
  readonly plan: Plan;
  /** Of the catalog cache. */
  readonly generation: number;
  readonly searchPath: readonly string[];
  /** Under which it is in the plan cache. */
  readonly planKey: string | undefined;
}

/** Plans a statement as far as it has to be to describe it. */
export interface Describer {
  describe(prepared: PreparedStatement): Steps<PreparedDescription>;
}

export function* prepareStatement(
  ctx: SessionContext,
  describer: Describer,
  source: { readonly name: string; readonly text: string; readonly typeOids: readonly number[] },
): Steps<void> {
  const { name, text } = source;
  checkNewName(ctx, name);
  const statements = ctx.shared.statements.parse(text);
  if (statements.length > 1) {
    throw new SqlError(
      SQLSTATE.SYNTAX_ERROR,
      'cannot insert multiple commands into a prepared statement',
    );
  }
  const declaredTypes = source.typeOids.map((oid) => {
    const type = oid === 0 || oid === 705 ? undefined : typeOfOid(oid);
    if (oid !== 0 && oid !== 705 && type === undefined) {
      throw new SqlError(SQLSTATE.UNDEFINED_OBJECT, `type with OID ${oid} does not exist`);
    }
    return type;
  });
  const prepared = { text, parsed: statements[0], declaredTypes, description: undefined };
  // In a failed block nothing is planned: only what ends the block can be run anyway.
  if (ctx.block?.isFailed !== true) yield* describer.describe(prepared);
  ctx.prepared.set(name, prepared);
}

export function checkNewName(ctx: SessionContext, name: string): void {
  if (name === '') return;
  if (ctx.prepared.has(name)) {
    throw new SqlError(
      SQLSTATE.DUPLICATE_PREPARED_STATEMENT,
      `prepared statement "${name}" already exists`,
    );
  }
  if (ctx.prepared.size >= PREPARED_MAX) {
    throw new SqlError(SQLSTATE.CONFIGURATION_LIMIT_EXCEEDED, 'too many prepared statements', {
      hint: 'Close those that are no longer needed.',
    });
  }
}

export function mustPrepared(ctx: SessionContext, name: string): PreparedStatement {
  const prepared = ctx.prepared.get(name);
  if (prepared !== undefined) return prepared;
  throw new SqlError(
    SQLSTATE.INVALID_SQL_STATEMENT_NAME,
    name === ''
      ? 'unnamed prepared statement does not exist'
      : `prepared statement "${name}" does not exist`,
  );
}

export function closeStatement(ctx: SessionContext, name: string): void {
  ctx.prepared.delete(name);
}

export function bindPortal(
  ctx: SessionContext,
  source: {
    readonly portal: string;
    readonly statement: string;
    readonly parameters: readonly Datum[];
  },
): void {
  const prepared = mustPrepared(ctx, source.statement);
  const known = ctx.portals.get(source.portal);
  if (known !== undefined && source.portal !== '') {
    throw new SqlError(SQLSTATE.DUPLICATE_CURSOR, `cursor "${source.portal}" already exists`);
  }
  if (known === undefined && ctx.portals.size >= PORTALS_MAX) {
    throw new SqlError(SQLSTATE.CONFIGURATION_LIMIT_EXCEEDED, 'too many portals');
  }
  known?.close();
  ctx.portals.set(source.portal, new Portal(source.portal, prepared, source.parameters));
}

export function mustPortal(ctx: SessionContext, name: string): Portal {
  const portal = ctx.portals.get(name);
  if (portal !== undefined) return portal;
  throw new SqlError(SQLSTATE.INVALID_CURSOR_NAME, `portal "${name}" does not exist`);
}
