/**
 * The New-Order transaction (clause 2.4): an order of 5 to 15 lines, 1 % of which come from another warehouse. One in a
 * hundred names an item that does not exist, which is found at its last line: all of it is done but that line, and then
 * rolled back.
 *
 * Stock is taken in the order of warehouse and item whatever the order of lines, so that two orders do not wait for
 * each other.
 */
import type { Field, Session, Statement } from '../../workload.ts';
import { drawCustomer, drawItem } from './draw.ts';
import { districtText } from './schema.ts';
import type { Terminal } from './terminal.ts';
import {
  BEGIN,
  COMMIT,
  ROLLBACK,
  drawDistrict,
  drawRemoteWarehouse,
  firstRow,
  sendAll,
} from './terminal.ts';

const LINES_MAX = 15;
/** Below which a stock is filled up by `STOCK_DELIVERED` (clause 2.4.2.2). */
const STOCK_RESERVE = 10;
const STOCK_DELIVERED = 91;

const WAREHOUSE_TAX: Statement = {
  name: 'tpcc_warehouse_tax',
  text: 'select w_tax from warehouse where w_id = $1',
};

const CUSTOMER: Statement = {
  name: 'tpcc_no_customer',
  text: `select c_discount, c_last, c_credit from customer
         where c_w_id = $1 and c_d_id = $2 and c_id = $3`,
};

const NEXT_ORDER: Statement = {
  name: 'tpcc_next_order',
  text: `update district set d_next_o_id = d_next_o_id + 1 where d_w_id = $1 and d_id = $2
         returning d_next_o_id - 1, d_tax`,
};

const INSERT_ORDER: Statement = {
  name: 'tpcc_insert_order',
  text: `insert into orders (o_w_id, o_d_id, o_id, o_c_id, o_entry_d, o_ol_cnt, o_all_local)
         values ($1, $2, $3, $4, localtimestamp, $5, $6)`,
};

const INSERT_NEW_ORDER: Statement = {
  name: 'tpcc_insert_new_order',
  text: 'insert into new_order (no_w_id, no_d_id, no_o_id) values ($1, $2, $3)',
};

/** One per number of items that are asked for. */
const ITEMS: readonly Statement[] = Array.from({ length: LINES_MAX + 1 }, (_, count) => {
  const numbers = Array.from({ length: count }, (_unused, i) => `$${i + 1}`);
  const text = `select i_id, i_price, i_name, i_data from item where i_id in (${numbers.join(', ')})`;
  return { name: `tpcc_items_${count}`, text };
});

/** One per district: each has its own text in `stock`. */
const TAKE_STOCK: readonly Statement[] = Array.from({ length: 11 }, (_, district) => ({
  name: `tpcc_take_stock_${district}`,
  text: `update stock set
           s_quantity = case when s_quantity >= $1::int + ${STOCK_RESERVE}
             then s_quantity - $1::int else s_quantity - $1::int + ${STOCK_DELIVERED} end,
           s_ytd = s_ytd + $1::int, s_order_cnt = s_order_cnt + 1,
           s_remote_cnt = s_remote_cnt + $2::int
         where s_w_id = $3 and s_i_id = $4
         returning s_quantity, ${districtText(Math.max(1, district))}, s_data`,
}));

/** One per number of lines. */
const INSERT_LINES: readonly Statement[] = Array.from({ length: LINES_MAX + 1 }, (_, count) => {
  const rows = Array.from({ length: count }, (_unused, i) => {
    const at = 4 + i * 6;
    const own = Array.from({ length: 6 }, (_cell, j) => `$${at + j}`);
    return `($1, $2, $3, ${own.join(', ')})`;
  });
  const columns =
    'ol_w_id, ol_d_id, ol_o_id, ol_number, ol_i_id, ol_supply_w_id, ol_quantity, ol_amount, ol_dist_info';
  return {
    name: `tpcc_insert_lines_${count}`,
    text: `insert into order_line (${columns}) values ${rows.join(', ')}`,
  };
});

interface Line {
  readonly item: number;
  readonly supplyWarehouse: number;
  readonly quantity: number;
}

interface Order {
  readonly district: number;
  readonly customer: number;
  readonly lines: readonly Line[];
}

export async function newOrder(terminal: Terminal, session: Session): Promise<void> {
  const { warehouse } = terminal;
  const order = drawOrder(terminal);
  const { district, customer, lines } = order;
  const where = [String(warehouse), String(district)];
  // The district first: whoever waits for it has read nothing yet that could change meanwhile.
  const [, next, taxed, bought] = await sendAll(terminal, session, [
    [BEGIN, []],
    [NEXT_ORDER, where],
    [WAREHOUSE_TAX, [String(warehouse)]],
    [CUSTOMER, [...where, String(customer)]],
  ]);
  const warehouseTax = Number(firstRow(taxed, 'warehouse')[0]);
  const discount = Number(firstRow(bought, 'customer')[0]);
  const [id, districtTax] = firstRow(next, 'district').map(Number);
  const prices = await pricesOf(session, lines);
  const known = lines.filter(({ item }) => prices.has(item));
  const orderId = [...where, String(id)];
  const texts = await enter(terminal, session, { ...order, orderId, known });
  let total = 0;
  const cells: Field[] = [...orderId];
  known.forEach(({ item, supplyWarehouse, quantity }, i) => {
    const amount = quantity * (prices.get(item) ?? 0);
    total += amount;
    cells.push(String(lines.indexOf(known[i] as Line) + 1), String(item), String(supplyWarehouse));
    cells.push(String(quantity), amount.toFixed(2), texts[i] ?? '');
  });
  await session.execute(statementOf(INSERT_LINES, known.length), cells);
  // What the terminal would show.
  total *= (1 - discount) * (1 + warehouseTax + (districtTax ?? 0));
  if (!Number.isFinite(total)) throw new Error('tpcc: an order without a total');
  await session.execute(known.length === lines.length ? COMMIT : ROLLBACK, []);
}

function drawOrder(terminal: Terminal): Order {
  const { scale, random, warehouse } = terminal;
  const district = drawDistrict(terminal);
  const customer = drawCustomer(random, scale.customersPerDistrict);
  const count = random.between(5, LINES_MAX);
  const isMistyped = random.between(1, 100) === 1;
  const lines = Array.from({ length: count }, (_, i): Line => {
    const isUnknown = isMistyped && i === count - 1;
    const item = isUnknown ? scale.items + 1 : drawItem(random, scale.items);
    const isRemote = random.between(1, 100) === 1;
    const supplyWarehouse = isRemote ? drawRemoteWarehouse(terminal) : warehouse;
    return { item, supplyWarehouse, quantity: random.between(1, 10) };
  });
  return { district, customer, lines };
}

/** By item; those that do not exist are missing. */
async function pricesOf(session: Session, lines: readonly Line[]): Promise<Map<number, number>> {
  const asked = [...new Set(lines.map(({ item }) => item))].sort((a, b) => a - b);
  const { rows } = await session.execute(statementOf(ITEMS, asked.length), asked.map(String));
  return new Map(rows.map(([id, price]) => [Number(id), Number(price)]));
}

/** Enters the order and takes the stock of its known lines; returns the district's text of each. */
async function enter(
  terminal: Terminal,
  session: Session,
  order: Order & { readonly orderId: readonly string[]; readonly known: readonly Line[] },
): Promise<string[]> {
  const { lines, known, orderId, district, customer } = order;
  const isLocal = lines.every(({ supplyWarehouse }) => supplyWarehouse === terminal.warehouse);
  const sorted = [...known.keys()].sort((a, b) => compareLines(known[a] as Line, known[b] as Line));
  const results = await sendAll(terminal, session, [
    [INSERT_ORDER, [...orderId, String(customer), String(lines.length), isLocal ? '1' : '0']],
    [INSERT_NEW_ORDER, orderId],
    ...sorted.map((at) => {
      const { item, supplyWarehouse, quantity } = known[at] as Line;
      const remote = supplyWarehouse === terminal.warehouse ? '0' : '1';
      const values = [String(quantity), remote, String(supplyWarehouse), String(item)];
      return [statementOf(TAKE_STOCK, district), values] as const;
    }),
  ]);
  const texts = new Array<string>(known.length).fill('');
  sorted.forEach((at, i) => {
    texts[at] = firstRow(results[i + 2], 'stock')[1] ?? '';
  });
  return texts;
}

function compareLines(a: Line, b: Line): number {
  return a.supplyWarehouse - b.supplyWarehouse || a.item - b.item;
}

function statementOf(statements: readonly Statement[], index: number): Statement {
  const statement = statements[index];
  if (statement === undefined) throw new Error(`tpcc: no statement for ${index}`);
  return statement;
}
