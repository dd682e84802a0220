/** The two transactions that only read: Order-Status (clause 2.6) and Stock-Level (clause 2.8). */
import type { Session, Statement } from '../../workload.ts';
import type { Terminal } from './terminal.ts';
import {
  BEGIN_READ_ONLY,
  COMMIT,
  CUSTOMERS_BY_NAME,
  drawDistrict,
  drawTypedCustomer,
  firstRow,
  middleOf,
  sendAll,
} from './terminal.ts';

/** How many of the last orders Stock-Level looks at. */
const LAST_ORDERS = 20;

const CUSTOMER: Statement = {
  name: 'tpcc_os_customer',
  text: `select c_balance, c_first, c_middle, c_last from customer
         where c_w_id = $1 and c_d_id = $2 and c_id = $3`,
};

const LAST_ORDER: Statement = {
  name: 'tpcc_last_order',
  text: `select o_id, o_entry_d, o_carrier_id from orders
         where o_w_id = $1 and o_d_id = $2 and o_c_id = $3 order by o_id desc limit 1`,
};

const LINES: Statement = {
  name: 'tpcc_order_lines',
  text: `select ol_i_id, ol_supply_w_id, ol_quantity, ol_amount, ol_delivery_d from order_line
         where ol_w_id = $1 and ol_d_id = $2 and ol_o_id = $3`,
};

const NEXT_ORDER: Statement = {
  name: 'tpcc_sl_next_order',
  text: 'select d_next_o_id from district where d_w_id = $1 and d_id = $2',
};

const LOW_STOCK: Statement = {
  name: 'tpcc_low_stock',
  text: `select count(distinct s_i_id) from order_line, stock
         where ol_w_id = $1 and ol_d_id = $2 and ol_o_id >= $3 and ol_o_id < $4
           and s_w_id = ol_w_id and s_i_id = ol_i_id and s_quantity < $5`,
};

export async function orderStatus(terminal: Terminal, session: Session): Promise<void> {
  const where = [String(terminal.warehouse), String(drawDistrict(terminal))];
  const typed = drawTypedCustomer(terminal);
  let id: string;
  if (typed.kind === 'name') {
    const [, found] = await sendAll(terminal, session, [
      [BEGIN_READ_ONLY, []],
      [CUSTOMERS_BY_NAME, [...where, typed.last]],
    ]);
    id = String(middleOf(found));
  } else {
    await session.execute(BEGIN_READ_ONLY, []);
    id = String(typed.id);
  }
  const [, last] = await sendAll(terminal, session, [
    [CUSTOMER, [...where, id]],
    [LAST_ORDER, [...where, id]],
  ]);
  const [order = null] = firstRow(last, 'order');
  firstRow(await session.execute(LINES, [...where, order]), 'order line');
  await session.execute(COMMIT, []);
}

export async function stockLevel(terminal: Terminal, session: Session): Promise<void> {
  const where = [String(terminal.warehouse), String(terminal.district)];
  const threshold = terminal.random.between(10, 20);
  const [, next] = await sendAll(terminal, session, [
    [BEGIN_READ_ONLY, []],
    [NEXT_ORDER, where],
  ]);
  const end = Number(firstRow(next, 'district')[0]);
  const range = [String(end - LAST_ORDERS), String(end)];
  firstRow(await session.execute(LOW_STOCK, [...where, ...range, String(threshold)]), 'count');
  await session.execute(COMMIT, []);
}
