/**
 * Fills TPC-C's tables (clause 4.3.3.1) by COPY: the items once, then warehouse by warehouse, each table of one at a
 * time. Rows are made as they are sent, so memory stays flat. Timestamps are the database's idea of the load's start.
 */
import type { Random, Session } from '../../workload.ts';
import {
  drawData,
  drawDigits,
  drawHundredths,
  drawPermutation,
  drawText,
  drawZip,
  loadedLastName,
} from './draw.ts';
import type { Scale } from './scale.ts';
import { deliveredOrders } from './scale.ts';

const NULL = '\\N';
const CHUNK_LENGTH = 64 * 1024;

type Cells = readonly (string | number)[];

export async function loadItems(session: Session, scale: Scale, random: Random): Promise<void> {
  await session.copyIn('copy item from stdin', chunks(items(scale, random)));
}

export async function loadWarehouse(
  session: Session,
  scale: Scale,
  random: Random,
  warehouse: number,
): Promise<void> {
  const now = await timestamp(session);
  const place = { scale, random, warehouse, now };
  await session.copyIn('copy warehouse from stdin', chunks(warehouseRows(place)));
  await session.copyIn('copy district from stdin', chunks(districts(place)));
  await session.copyIn('copy stock from stdin', chunks(stock(place)));
  await session.copyIn('copy customer from stdin', chunks(customers(place)));
  const history = 'h_w_id, h_d_id, h_c_w_id, h_c_d_id, h_c_id, h_date, h_amount, h_data';
  await session.copyIn(`copy history (${history}) from stdin`, chunks(histories(place)));
  for (let district = 1; district <= scale.districtsPerWarehouse; district++) {
    const orders = drawOrders(place);
    await session.copyIn('copy orders from stdin', chunks(orderRows(place, district, orders)));
    await session.copyIn('copy order_line from stdin', chunks(orderLines(place, district, orders)));
    await session.copyIn('copy new_order from stdin', chunks(newOrders(place, district)));
  }
}

async function timestamp(session: Session): Promise<string> {
  const [result] = await session.query('select localtimestamp');
  return result?.rows[0]?.[0] ?? '';
}

interface Place {
  readonly scale: Scale;
  readonly random: Random;
  readonly warehouse: number;
  readonly now: string;
}

/** Rows as lines of COPY's text format, gathered. No value holds a tab, a newline or a backslash but NULL itself. */
function* chunks(rows: Iterable<Cells>): Iterable<string> {
  let text = '';
  for (const row of rows) {
    text += row.join('\t') + '\n';
    if (text.length < CHUNK_LENGTH) continue;
    yield text;
    text = '';
  }
  if (text !== '') yield text;
}

function* items(scale: Scale, random: Random): Iterable<Cells> {
  for (let id = 1; id <= scale.items; id++) {
    const price = drawHundredths(random, 100, 10_000);
    yield [id, random.between(1, 10_000), drawText(random, 14, 24), price, drawData(random)];
  }
}

function address(random: Random): Cells {
  const [street, second, city] = [0, 0, 0].map(() => drawText(random, 10, 20));
  return [street ?? '', second ?? '', city ?? '', drawText(random, 2, 2), drawZip(random)];
}

function tax(random: Random): string {
  return (random.between(0, 2000) / 10_000).toFixed(4);
}

function* warehouseRows({ scale, random, warehouse }: Place): Iterable<Cells> {
  const { districtsPerWarehouse, customersPerDistrict } = scale;
  const paid = 10 * districtsPerWarehouse * customersPerDistrict;
  yield [warehouse, drawText(random, 6, 10), ...address(random), tax(random), `${paid}.00`];
}

function* districts({ scale, random, warehouse }: Place): Iterable<Cells> {
  const { districtsPerWarehouse, customersPerDistrict } = scale;
  for (let id = 1; id <= districtsPerWarehouse; id++) {
    const paid = `${10 * customersPerDistrict}.00`;
    const head = [warehouse, id, drawText(random, 6, 10), ...address(random), tax(random)];
    yield [...head, paid, customersPerDistrict + 1];
  }
}

function* stock({ scale, random, warehouse }: Place): Iterable<Cells> {
  for (let item = 1; item <= scale.items; item++) {
    const texts = Array.from({ length: 10 }, () => drawText(random, 24, 24));
    yield [warehouse, item, random.between(10, 100), ...texts, 0, 0, 0, drawData(random)];
  }
}

function* customers({ scale, random, warehouse, now }: Place): Iterable<Cells> {
  for (let district = 1; district <= scale.districtsPerWarehouse; district++) {
    for (let id = 1; id <= scale.customersPerDistrict; id++) {
      const name = [drawText(random, 8, 16), 'OE', loadedLastName(random, id)];
      const credit = random.between(1, 10) === 1 ? 'BC' : 'GC';
      const discount = (random.between(0, 5000) / 10_000).toFixed(4);
      const head = [warehouse, district, id, ...name, ...address(random), drawDigits(random, 16)];
      const money = [credit, '50000.00', discount, '-10.00', '10.00', 1, 0];
      yield [...head, now, ...money, drawText(random, 300, 500)];
    }
  }
}

/** One payment per customer. */
function* histories({ scale, random, warehouse, now }: Place): Iterable<Cells> {
  for (let district = 1; district <= scale.districtsPerWarehouse; district++) {
    for (let id = 1; id <= scale.customersPerDistrict; id++) {
      const data = drawText(random, 12, 24);
      yield [warehouse, district, warehouse, district, id, now, '10.00', data];
    }
  }
}

/** Customer and number of lines of each order of a district: every customer has one. */
type LoadedOrder = readonly [customer: number, lines: number];

function drawOrders({ scale, random }: Place): LoadedOrder[] {
  const permutation = drawPermutation(random, scale.customersPerDistrict);
  return permutation.map((customer) => [customer, random.between(5, 15)]);
}

function* orderRows(
  { scale, random, warehouse, now }: Place,
  district: number,
  orders: readonly LoadedOrder[],
): Iterable<Cells> {
  for (const [i, [customer, lines]] of orders.entries()) {
    const isDelivered = i + 1 <= deliveredOrders(scale);
    const carrier = isDelivered ? random.between(1, 10) : NULL;
    yield [warehouse, district, i + 1, customer, now, carrier, lines, 1];
  }
}

function* orderLines(
  { scale, random, warehouse, now }: Place,
  district: number,
  orders: readonly LoadedOrder[],
): Iterable<Cells> {
  for (const [i, [, lines]] of orders.entries()) {
    const isDelivered = i + 1 <= deliveredOrders(scale);
    for (let number = 1; number <= lines; number++) {
      const delivery = isDelivered ? now : NULL;
      const amount = isDelivered ? '0.00' : drawHundredths(random, 1, 999_999);
      const what = [random.between(1, scale.items), warehouse, delivery, 5, amount];
      yield [warehouse, district, i + 1, number, ...what, drawText(random, 24, 24)];
    }
  }
}

function* newOrders({ scale, warehouse }: Place, district: number): Iterable<Cells> {
  const { customersPerDistrict } = scale;
  for (let id = deliveredOrders(scale) + 1; id <= customersPerDistrict; id++) {
    yield [warehouse, district, id];
  }
}
