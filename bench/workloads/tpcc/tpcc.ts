/**
 * TPC-C, revision 5.11 (tpc.org): the order entry of a wholesaler, as a workload. Nine tables, five transactions in the
 * mix of the specification's deck, 1 % of New-Orders rolled back, remote lines and payments, and the consistency
 * conditions after the run.
 *
 * Not as specified, and so no TPC-C result: terminals neither key nor think (pace them with an open loop instead), a
 * Delivery is waited for where it should be queued, and as many terminals as wanted share few warehouses.
 */
import type { Client, Random, Session, Workload } from '../../workload.ts';
import { checkConsistency } from './consistency.ts';
import type { Kind } from './deck.ts';
import { Deck } from './deck.ts';
import { delivery } from './delivery.ts';
import { loadItems, loadWarehouse } from './load.ts';
import { newOrder } from './new-order.ts';
import { payment } from './payment.ts';
import { orderStatus, stockLevel } from './reads.ts';
import type { Scale } from './scale.ts';
import { CREATE_TABLES, TABLES, TABLES_BY_WAREHOUSE } from './schema.ts';
import type { Terminal } from './terminal.ts';

export interface TpccOptions {
  readonly scale: Scale;
  /** What the tables are filled with. */
  readonly random: Random;
  /** Statements that do not need each other's results share a round trip. */
  readonly isPipelined: boolean;
  /** Gives every warehouse ranges of its own, and spreads their leaders: Quorate's statements. */
  readonly isSplit: boolean;
}

const TRANSACTIONS: Readonly<
  Record<Kind, (terminal: Terminal, session: Session) => Promise<void>>
> = { neworder: newOrder, payment, orderstatus: orderStatus, delivery, stocklevel: stockLevel };

export class Tpcc implements Workload {
  readonly name = 'tpcc';
  readonly summary =
    'TPC-C: order entry, five transactions over nine tables, without keying and think times.';
  readonly #options: TpccOptions;

  constructor(options: TpccOptions) {
    this.#options = options;
  }

  async load(session: Session): Promise<void> {
    const { scale, random, isSplit } = this.#options;
    for (const table of TABLES) await session.query(`drop table if exists ${table}`);
    for (const statement of CREATE_TABLES) await session.query(statement);
    if (isSplit) await splitByWarehouse(session, scale.warehouses);
    await loadItems(session, scale, random);
    for (let warehouse = 1; warehouse <= scale.warehouses; warehouse++) {
      await loadWarehouse(session, scale, random, warehouse);
    }
    await session.query('analyze');
  }

  /** Terminals go round the warehouses first, then their districts. */
  client(index: number, _count: number, random: Random): Client {
    const { scale, isPipelined } = this.#options;
    const deck = new Deck(random);
    const district = 1 + (Math.floor(index / scale.warehouses) % scale.districtsPerWarehouse);
    const warehouse = 1 + (index % scale.warehouses);
    const terminal: Terminal = { scale, random, warehouse, district, isPipelined };
    return {
      run: async (session) => {
        const kind = deck.top();
        await TRANSACTIONS[kind](terminal, session);
        deck.take();
        return kind;
      },
    };
  }

  check(session: Session): Promise<readonly string[]> {
    return checkConsistency(session, this.#options.scale);
  }
}

/** New-Orders a minute: TPC-C's metric, of a run that is none. Those rolled back on purpose count (clause 5.4). */
export function tpmC(newOrders: number, seconds: number): number {
  return (newOrders / seconds) * 60;
}

/** Every warehouse's part of a table becomes a range, whose leaders go round the nodes that have replicas. */
async function splitByWarehouse(session: Session, warehouses: number): Promise<void> {
  for (const table of TABLES_BY_WAREHOUSE) {
    const values = Array.from({ length: warehouses }, (_, i) => `(${i + 1})`);
    await session.query(`alter table ${table} split at values ${values.join(', ')}`);
    const [shown] = await session.query(`show ranges from table ${table}`);
    for (const [range, start, , , replicas] of shown?.rows ?? []) {
      const warehouse = Number(/^\((\d+)\)$/.exec(start ?? '')?.[1] ?? 0);
      const nodes = (replicas ?? '').split(',');
      const node = nodes[(warehouse - 1) % nodes.length];
      if (warehouse === 0 || node === undefined || range === undefined) continue;
      await session.query(`alter range ${range} transfer leader to ${node}`);
    }
  }
}
