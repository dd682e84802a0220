/**
 * The Payment transaction (clause 2.5): a customer, in 15 of 100 cases one of another warehouse, pays at the home
 * warehouse. The customer is changed first and the warehouse, which every payment there changes, last.
 */
import type { Session, Statement } from '../../workload.ts';
import { drawHundredths } from './draw.ts';
import type { Terminal, TypedCustomer } from './terminal.ts';
import {
  BEGIN,
  COMMIT,
  CUSTOMERS_BY_NAME,
  drawDistrict,
  drawRemoteWarehouse,
  drawTypedCustomer,
  firstRow,
  middleOf,
  sendAll,
} from './terminal.ts';

/** Of `c_data`, clause 2.5.2.2. */
const DATA_LENGTH_MAX = 500;

const ADDRESS = (prefix: string): string =>
  ['name', 'street_1', 'street_2', 'city', 'state', 'zip'].map((n) => `${prefix}_${n}`).join(', ');

const PAY: Statement = {
  name: 'tpcc_pay',
  text: `update customer set c_balance = c_balance - $1::numeric,
           c_ytd_payment = c_ytd_payment + $1::numeric, c_payment_cnt = c_payment_cnt + 1
         where c_w_id = $2 and c_d_id = $3 and c_id = $4
         returning c_credit, c_data, c_first, c_middle, c_last, c_street_1, c_street_2, c_city,
           c_state, c_zip, c_phone, c_since, c_credit_lim, c_discount, c_balance`,
};

const DISTRICT: Statement = {
  name: 'tpcc_pay_district',
  text: `update district set d_ytd = d_ytd + $1::numeric where d_w_id = $2 and d_id = $3
         returning ${ADDRESS('d')}`,
};

const WAREHOUSE: Statement = {
  name: 'tpcc_pay_warehouse',
  text: `update warehouse set w_ytd = w_ytd + $1::numeric where w_id = $2
         returning ${ADDRESS('w')}`,
};

const CUSTOMER_DATA: Statement = {
  name: 'tpcc_customer_data',
  text: 'update customer set c_data = $1 where c_w_id = $2 and c_d_id = $3 and c_id = $4',
};

const INSERT_HISTORY: Statement = {
  name: 'tpcc_insert_history',
  text: `insert into history (h_w_id, h_d_id, h_c_w_id, h_c_d_id, h_c_id, h_date, h_amount, h_data)
         values ($1, $2, $3, $4, $5, localtimestamp, $6, $7)`,
};

interface Payer {
  readonly warehouse: number;
  readonly district: number;
  readonly typed: TypedCustomer;
}

export async function payment(terminal: Terminal, session: Session): Promise<void> {
  const { random, warehouse } = terminal;
  const home = [String(warehouse), String(drawDistrict(terminal))] as const;
  const amount = drawHundredths(random, 100, 500_000);
  const isLocal = random.between(1, 100) <= 85;
  const payer: Payer = isLocal
    ? { warehouse, district: Number(home[1]), typed: drawTypedCustomer(terminal) }
    : {
        warehouse: drawRemoteWarehouse(terminal),
        district: drawDistrict(terminal),
        typed: drawTypedCustomer(terminal),
      };
  const customer = await begin(terminal, session, payer);
  const [paid, district, paidWarehouse] = await sendAll(terminal, session, [
    [PAY, [amount, ...customer]],
    [DISTRICT, [amount, ...home]],
    [WAREHOUSE, [amount, home[0]]],
  ]);
  const [credit, data] = firstRow(paid, 'customer');
  const names = [firstRow(paidWarehouse, 'warehouse')[0], firstRow(district, 'district')[0]];
  const history = [...home, ...customer, amount, names.join('    ')];
  if (credit !== 'BC') {
    await session.execute(INSERT_HISTORY, history);
  } else {
    const note = `${[customer[2], customer[1], customer[0], home[1], home[0], amount].join(' ')}|`;
    const kept = (note + (data ?? '')).slice(0, DATA_LENGTH_MAX);
    await sendAll(terminal, session, [
      [CUSTOMER_DATA, [kept, ...customer]],
      [INSERT_HISTORY, history],
    ]);
  }
  await session.execute(COMMIT, []);
}

/** Opens the block and finds the customer: warehouse, district, number. */
async function begin(
  terminal: Terminal,
  session: Session,
  { warehouse, district, typed }: Payer,
): Promise<readonly [string, string, string]> {
  const where = [String(warehouse), String(district)] as const;
  if (typed.kind === 'number') {
    await session.execute(BEGIN, []);
    return [...where, String(typed.id)];
  }
  const [, found] = await sendAll(terminal, session, [
    [BEGIN, []],
    [CUSTOMERS_BY_NAME, [...where, typed.last]],
  ]);
  return [...where, String(middleOf(found))];
}
