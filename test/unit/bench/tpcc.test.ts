/**
 * TPC-C over the wire and a store in this process: what is loaded and what the transactions leave holds the consistency
 * conditions, and each condition sees what breaks it.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SeededRandom } from '../../../bench/driver/random.ts';
import type { WireSession } from '../../../bench/driver/session.ts';
import { connectSession } from '../../../bench/driver/session.ts';
import { checkConsistency } from '../../../bench/workloads/tpcc/consistency.ts';
import { Deck, KINDS } from '../../../bench/workloads/tpcc/deck.ts';
import { drawCustomer, drawPermutation, lastName } from '../../../bench/workloads/tpcc/draw.ts';
import type { Scale } from '../../../bench/workloads/tpcc/scale.ts';
import { Tpcc, tpmC } from '../../../bench/workloads/tpcc/tpcc.ts';
import type { LocalServer } from '../../support/local-server.ts';
import { startLocalServer } from '../../support/local-server.ts';

const SCALE: Scale = {
  ...{ warehouses: 2, items: 50, districtsPerWarehouse: 3, customersPerDistrict: 20 },
};

let server: LocalServer;
let session: WireSession;

function tpcc(isPipelined: boolean): Tpcc {
  return new Tpcc({ scale: SCALE, random: new SeededRandom(7), isPipelined, isSplit: false });
}

async function one(sql: string): Promise<string> {
  const [result] = await session.query(sql);
  return result?.rows[0]?.[0] ?? '';
}

beforeAll(async () => {
  server = await startLocalServer();
  const { port } = server;
  session = await connectSession({ host: '127.0.0.1', port, user: 'q', database: 'quorate' });
  await tpcc(true).load(session);
});

afterAll(async () => {
  session.close();
  await server.close();
});

describe('TPC-C, loaded', () => {
  it('has as many rows as the scale says, and is consistent', async () => {
    expect(await one('select count(*) from item')).toBe('50');
    expect(await one('select count(*) from stock')).toBe('100');
    expect(await one('select count(*) from customer')).toBe('120');
    expect(await one('select count(*) from history')).toBe('120');
    expect(await one('select count(*) from orders')).toBe('120');
    expect(await one('select count(*) from new_order')).toBe('36');
    expect(await checkConsistency(session, SCALE)).toEqual([]);
  });
});

describe('TPC-C, run', () => {
  it.each([true, false])('stays consistent, pipelined: %s', async (isPipelined) => {
    const client = tpcc(isPipelined).client(1, 4, new SeededRandom(11));
    const kinds = new Map<string, number>();
    for (let i = 0; i < 46; i++) {
      const kind = await client.run(session);
      kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
    }
    expect(kinds.get('neworder')).toBe(20);
    expect(kinds.get('payment')).toBe(20);
    expect(kinds.get('delivery')).toBe(2);
    expect(await checkConsistency(session, SCALE)).toEqual([]);
    expect(session.isInTransaction).toBe(false);
  });

  it('enters orders at the home warehouse only, and rolls some back', async () => {
    const sold = await one('select sum(d_next_o_id - 21) from district where d_w_id = 2');
    expect(Number(sold)).toBeGreaterThan(30);
    expect(await one('select sum(d_next_o_id - 21) from district where d_w_id = 1')).toBe('0');
    const random = new SeededRandom(3);
    const client = tpcc(true).client(0, 1, random);
    let newOrders = 0;
    for (let i = 0; i < 230; i++) if ((await client.run(session)) === 'neworder') newOrders++;
    const kept = Number(await one('select sum(d_next_o_id - 21) from district where d_w_id = 1'));
    expect(newOrders).toBe(100);
    expect(kept).toBeLessThan(newOrders);
    expect(kept).toBeGreaterThan(90);
  });
});

describe('the consistency conditions', () => {
  const damages: readonly (readonly [number, string])[] = [
    [1, 'update warehouse set w_ytd = w_ytd + 1 where w_id = 1'],
    [2, 'update district set d_next_o_id = d_next_o_id + 1 where d_w_id = 1 and d_id = 2'],
    [3, 'insert into new_order values (1, 1, 100000)'],
    [4, 'update orders set o_ol_cnt = o_ol_cnt + 1 where o_w_id = 2 and o_d_id = 1 and o_id = 3'],
    [5, 'update orders set o_carrier_id = null where o_w_id = 2 and o_d_id = 1 and o_id = 3'],
    [6, 'delete from order_line where ol_w_id = 1 and ol_o_id = 2 and ol_number = 1'],
    [7, 'update order_line set ol_delivery_d = null where ol_o_id = 2 and ol_number = 1'],
    [8, 'update history set h_amount = h_amount + 1 where h_w_id = 2 and h_c_id = 4'],
    [9, 'update district set d_ytd = d_ytd - 1 where d_w_id = 2 and d_id = 3'],
    [10, 'update customer set c_ytd_payment = c_ytd_payment + 1 where c_w_id = 1 and c_id = 5'],
    [11, 'delete from new_order where no_w_id = 2 and no_d_id = 1'],
    [12, 'update customer set c_balance = c_balance + 1 where c_w_id = 2 and c_id = 5'],
  ];
  it.each(damages)('%i is seen broken by: %s', async (number, sql) => {
    await session.query('begin');
    await session.query(sql);
    const violations = await checkConsistency(session, SCALE);
    await session.query('rollback');
    expect(violations.filter((each) => each.startsWith(`condition ${number} `))).not.toEqual([]);
  });
});

describe("TPC-C's random values", () => {
  it('spells last names by the digits of a number', () => {
    expect(lastName(0)).toBe('BARBARBAR');
    expect(lastName(371)).toBe('PRICALLYOUGHT');
    expect(lastName(999)).toBe('EINGEINGEING');
  });

  it('keeps customers within bounds, and some are drawn more often', () => {
    const random = new SeededRandom(5);
    const counts = new Array<number>(3001).fill(0);
    for (let i = 0; i < 30_000; i++) counts[drawCustomer(random, 3000)]! += 1;
    expect(counts[0]).toBe(0);
    expect(counts.reduce((sum, count) => sum + count, 0)).toBe(30_000);
    expect(Math.max(...counts)).toBeGreaterThan(40);
  });

  it('permutes', () => {
    const drawn = drawPermutation(new SeededRandom(1), 100);
    expect(drawn).not.toEqual([...drawn].sort((a, b) => a - b));
    expect(new Set(drawn).size).toBe(100);
    expect(Math.max(...drawn)).toBe(100);
  });

  it('deals a whole deck, and a card that was not taken again', () => {
    const deck = new Deck(new SeededRandom(9));
    expect(deck.top()).toBe(deck.top());
    const dealt = Array.from({ length: 23 }, () => {
      const card = deck.top();
      deck.take();
      return card;
    });
    const counts = KINDS.map((kind) => dealt.filter((card) => card === kind).length);
    expect(counts).toEqual([10, 10, 1, 1, 1]);
  });

  it('counts New-Orders a minute', () => {
    expect(tpmC(50, 10)).toBe(300);
  });
});
