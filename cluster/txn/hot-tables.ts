/**
 * Tables whose rows are fought over: of which this gateway's transactions have stood in the queues of row locks some
 * times within a second. There it pays to put changes off (deferred-changes.ts). Hot for a while, then judged anew, since
 * whoever puts off waits in no queue. Nothing but throughput rests on it. Bounded: so many tables, the oldest is forgotten.
 */
import type { Clock } from '../../src/env/env.ts';

const WINDOW_MS = 1000;
const HOT_MS = 10_000;
const TABLES_MAX = 1000;

interface Heat {
  sinceMs: number;
  waits: number;
  hotUntilMs: number;
}

export class HotTables {
  readonly #clock: Pick<Clock, 'monotonicMs'>;
  readonly #waitsMin: number;
  readonly #tables = new Map<number, Heat>();

  /** `waitsMin`: so many waits make a table hot; 0: all are. */
  constructor(clock: Pick<Clock, 'monotonicMs'>, waitsMin: number) {
    this.#clock = clock;
    this.#waitsMin = waitsMin;
  }

  noteWait(tableId: number): void {
    const now = this.#clock.monotonicMs();
    const heat = this.#tables.get(tableId) ?? this.#add(tableId, now);
    if (now - heat.sinceMs > WINDOW_MS) {
      heat.sinceMs = now;
      heat.waits = 0;
    }
    heat.waits++;
    if (heat.waits >= this.#waitsMin) heat.hotUntilMs = now + HOT_MS;
  }

  isHot(tableId: number): boolean {
    if (this.#waitsMin === 0) return true;
    const heat = this.#tables.get(tableId);
    return heat !== undefined && this.#clock.monotonicMs() < heat.hotUntilMs;
  }

  #add(tableId: number, now: number): Heat {
    if (this.#tables.size >= TABLES_MAX) {
      const [oldest] = this.#tables.keys();
      if (oldest !== undefined) this.#tables.delete(oldest);
    }
    const heat = { sinceMs: now, waits: 0, hotUntilMs: 0 };
    this.#tables.set(tableId, heat);
    return heat;
  }
}
