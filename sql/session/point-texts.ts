/**
 * Plans of statements on one row by their text without its literals, shared by the sessions of a node: with these a
 * Query message is answered that differs from an earlier one in its literals only, and the parser is not asked. Bounded
 * by count; an entry is used as long as the catalog and the search path are those it was made with.
 */
import type { LiftedStatement } from '../parser/literals.ts';
import { LruCache } from './lru-cache.ts';
import type { ReadyPlan } from './prepared-statement.ts';
import type { SessionContext } from './session-context.ts';

const TEXTS_MAX = 1024;
const TEXT_LENGTH_MAX = 2048;

export class PointTexts {
  readonly #plans = new LruCache<string, ReadyPlan>(TEXTS_MAX);

  find(lifted: LiftedStatement, ctx: SessionContext): ReadyPlan | undefined {
    const ready = this.#plans.get(keyOf(lifted));
    if (ready?.generation !== ctx.shared.catalogCache.generation) return undefined;
    return ready.searchPath === ctx.settings.config.searchPath ? ready : undefined;
  }

  /** A statement was planned; nothing private to a transaction must have gone into it. */
  note(
    lifted: LiftedStatement,
    { plan, planKey }: Pick<ReadyPlan, 'plan' | 'planKey'>,
    ctx: SessionContext,
  ): void {
    if (plan.pointRead === undefined && plan.pointChange === undefined) return;
    if (ctx.block?.catalog.isPrivate === true || lifted.text.length > TEXT_LENGTH_MAX) return;
    const { generation } = ctx.shared.catalogCache;
    const { searchPath } = ctx.settings.config;
    this.#plans.set(keyOf(lifted), { plan, generation, searchPath, planKey });
  }
}

function keyOf({ kinds, text }: LiftedStatement): string {
  return `${kinds}\0${text}`;
}
