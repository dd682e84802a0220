/**
 * The Delivery transaction (clause 2.7): the oldest new order of each of a warehouse's districts, all in one database
 * transaction. The terminal waits for it, where the specification would queue it and answer at once. A district
 * without new orders is skipped.
 */
import type { Session, Statement } from '../../workload.ts';
import type { Call, Terminal } from './terminal.ts';
import { BEGIN, COMMIT, firstRow, sendAll } from './terminal.ts';

const OLDEST: Statement = {
  name: 'tpcc_oldest_order',
  text: `select no_o_id from new_order where no_w_id = $1 and no_d_id = $2
         order by no_o_id limit 1 for update`,
};

const DELETE: Statement = {
  name: 'tpcc_delete_new_order',
  text: 'delete from new_order where no_w_id = $1 and no_d_id = $2 and no_o_id = $3',
};

const CARRY: Statement = {
  name: 'tpcc_carry',
  text: `update orders set o_carrier_id = $4 where o_w_id = $1 and o_d_id = $2 and o_id = $3
         returning o_c_id`,
};

const DELIVER: Statement = {
  name: 'tpcc_deliver',
  text: `update order_line set ol_delivery_d = localtimestamp
         where ol_w_id = $1 and ol_d_id = $2 and ol_o_id = $3`,
};

const AMOUNT: Statement = {
  name: 'tpcc_amount',
  text: `select sum(ol_amount) from order_line
         where ol_w_id = $1 and ol_d_id = $2 and ol_o_id = $3`,
};

const CHARGE: Statement = {
  name: 'tpcc_charge',
  text: `update customer set c_balance = c_balance + $4::numeric,
           c_delivery_cnt = c_delivery_cnt + 1
         where c_w_id = $1 and c_d_id = $2 and c_id = $3`,
};

export async function delivery(terminal: Terminal, session: Session): Promise<void> {
  const { scale, random, warehouse } = terminal;
  const carrier = String(random.between(1, 10));
  const districts = Array.from({ length: scale.districtsPerWarehouse }, (_, i) => i + 1);
  const [, ...oldest] = await sendAll(terminal, session, [
    [BEGIN, []],
    ...districts.map((district): Call => [OLDEST, [String(warehouse), String(district)]]),
  ]);
  const orders = districts.flatMap((district, i) => {
    const id = oldest[i]?.rows[0]?.[0];
    return id === undefined ? [] : [[String(warehouse), String(district), id] as const];
  });
  if (orders.length > 0) {
    const results = await sendAll(
      terminal,
      session,
      orders.flatMap((order): Call[] => [
        [DELETE, order],
        [CARRY, [...order, carrier]],
        [DELIVER, order],
        [AMOUNT, order],
      ]),
    );
    const charges = orders.map(([where, district], i): Call => {
      const [, carried, , amount] = results.slice(4 * i, 4 * i + 4);
      const customer = firstRow(carried, 'order')[0] ?? null;
      return [CHARGE, [where, district, customer, firstRow(amount, 'sum')[0] ?? null]];
    });
    await sendAll(terminal, session, charges);
  }
  await session.execute(COMMIT, []);
}
