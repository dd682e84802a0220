/**
 * TPC-C's consistency conditions (clause 3.3.2, 1 to 12), as queries that return what violates them. They are asked
 * warehouse by warehouse, those that read order lines district by district, so that no answer needs much memory.
 */
import type { Session } from '../../workload.ts';
import type { Scale } from './scale.ts';
import { deliveredOrders } from './scale.ts';

interface Condition {
  /** Of clause 3.3.2. */
  readonly number: number;
  readonly says: string;
  /** Every row is a violation; its values are reported. */
  readonly query: (warehouse: number, scale: Scale) => string;
}

interface DistrictCondition extends Omit<Condition, 'query'> {
  readonly query: (warehouse: number, district: number) => string;
}

const VIOLATIONS_SHOWN_MAX = 3;

const CONDITIONS: readonly Condition[] = [
  {
    number: 1,
    says: 'w_ytd is the sum of d_ytd',
    query: (w) =>
      `select w_id, w_ytd, d from warehouse,
         (select sum(d_ytd) as d from district where d_w_id = ${w}) s
       where w_id = ${w} and w_ytd <> d`,
  },
  {
    number: 2,
    says: 'd_next_o_id - 1 is the last order, and the last new one if there is one',
    query: (w) =>
      `select d_w_id, d_id, d_next_o_id, o, n from district
       join (select o_d_id, max(o_id) as o from orders where o_w_id = ${w} group by o_d_id) a
         on o_d_id = d_id
       left join (select no_d_id, max(no_o_id) as n from new_order where no_w_id = ${w}
         group by no_d_id) b on no_d_id = d_id
       where d_w_id = ${w} and (d_next_o_id - 1 <> o or n <> o)`,
  },
  {
    number: 3,
    says: 'new orders are numbered without gaps',
    query: (w) =>
      `select no_d_id, min(no_o_id), max(no_o_id), count(*) from new_order where no_w_id = ${w}
       group by no_d_id having max(no_o_id) - min(no_o_id) + 1 <> count(*)`,
  },
  {
    number: 4,
    says: 'the sum of o_ol_cnt is the number of order lines',
    query: (w) =>
      `select o_d_id, a, b from
         (select o_d_id, sum(o_ol_cnt) as a from orders where o_w_id = ${w} group by o_d_id) x
       join (select ol_d_id, count(*) as b from order_line where ol_w_id = ${w} group by ol_d_id) y
         on o_d_id = ol_d_id
       where a <> b`,
  },
  {
    number: 8,
    says: 'w_ytd is the sum of the payments there',
    query: (w) =>
      `select w_id, w_ytd, h from warehouse,
         (select sum(h_amount) as h from history where h_w_id = ${w}) s
       where w_id = ${w} and w_ytd <> h`,
  },
  {
    number: 9,
    says: 'd_ytd is the sum of the payments there',
    query: (w) =>
      `select d_id, d_ytd, h from district
       join (select h_d_id, sum(h_amount) as h from history where h_w_id = ${w} group by h_d_id) s
         on h_d_id = d_id
       where d_w_id = ${w} and d_ytd <> h`,
  },
  {
    number: 10,
    says: 'c_balance is what was delivered less what was paid',
    // What was delivered is condition 12's: together they say this. So the history is read once, not by district.
    query: (w) =>
      `select c_d_id, c_id, c_ytd_payment, paid from customer
       left join (select h_c_d_id, h_c_id, sum(h_amount) as paid from history where h_c_w_id = ${w}
         group by h_c_d_id, h_c_id) h on h_c_d_id = c_d_id and h_c_id = c_id
       where c_w_id = ${w} and c_ytd_payment <> coalesce(paid, 0)`,
  },
  {
    number: 11,
    says: 'orders less new orders are the delivered ones',
    // The specification's form, without what customers count, is for the database as it is loaded.
    query: (w, scale) =>
      `select o_d_id, o, n, c from
         (select o_d_id, count(*) as o from orders where o_w_id = ${w} group by o_d_id) a
       join (select c_d_id, sum(c_delivery_cnt) as c from customer where c_w_id = ${w}
         group by c_d_id) d on c_d_id = o_d_id
       left join (select no_d_id, count(*) as n from new_order where no_w_id = ${w}
         group by no_d_id) b on no_d_id = o_d_id
       where o - coalesce(n, 0) <> ${deliveredOrders(scale)} + c`,
  },
];

const DISTRICT_CONDITIONS: readonly DistrictCondition[] = [
  {
    number: 5,
    says: 'an order has no carrier exactly when it is a new one',
    query: (w, d) =>
      `select o_id, o_carrier_id, no_o_id from orders
       left join (select no_o_id from new_order where no_w_id = ${w} and no_d_id = ${d}) n
         on no_o_id = o_id
       where o_w_id = ${w} and o_d_id = ${d} and (o_carrier_id is null) <> (no_o_id is not null)`,
  },
  {
    number: 6,
    says: 'o_ol_cnt is the number of the lines of the order',
    query: (w, d) =>
      `select o_id, o_ol_cnt, n from orders
       left join (select ol_o_id, count(*) as n from order_line
         where ol_w_id = ${w} and ol_d_id = ${d} group by ol_o_id) l on ol_o_id = o_id
       where o_w_id = ${w} and o_d_id = ${d} and o_ol_cnt <> coalesce(n, 0)`,
  },
  {
    number: 7,
    says: 'a line is delivered exactly when its order has a carrier',
    query: (w, d) =>
      `select o_id, o_carrier_id, lines, delivered from orders
       left join (select ol_o_id, count(*) as lines, count(ol_delivery_d) as delivered
         from order_line where ol_w_id = ${w} and ol_d_id = ${d} group by ol_o_id) l
         on ol_o_id = o_id
       where o_w_id = ${w} and o_d_id = ${d}
         and delivered <> case when o_carrier_id is null then 0 else lines end`,
  },
  {
    number: 12,
    says: 'c_balance and c_ytd_payment are together what was delivered',
    query: (w, d) =>
      `select c_id, c_balance, c_ytd_payment, delivered from customer
       left join ${delivered(w, d)} on o_c_id = c_id
       where c_w_id = ${w} and c_d_id = ${d}
         and c_balance + c_ytd_payment <> coalesce(delivered, 0)`,
  },
];

/** By customer, the sum of the delivered lines: summed by order first, so that few rows meet their order. */
function delivered(w: number, d: number): string {
  return `(select o_c_id, sum(amount) as delivered from orders
       left join (select ol_o_id, sum(ol_amount) as amount from order_line
         where ol_w_id = ${w} and ol_d_id = ${d} and ol_delivery_d is not null
         group by ol_o_id) l on ol_o_id = o_id
       where o_w_id = ${w} and o_d_id = ${d} group by o_c_id) x`;
}

/** One sentence per condition and place that does not hold. */
export async function checkConsistency(session: Session, scale: Scale): Promise<string[]> {
  const violations: string[] = [];
  const ask = async (condition: { number: number; says: string }, sql: string, where: string) => {
    const [result] = await session.query(`${sql} limit ${VIOLATIONS_SHOWN_MAX}`);
    const rows = result?.rows ?? [];
    if (rows.length === 0) return;
    const shown = rows.map((row) => `(${row.map((cell) => cell ?? 'null').join(', ')})`).join(' ');
    violations.push(
      `condition ${condition.number} (${condition.says}) does not hold in ${where}: ${shown}`,
    );
  };
  for (let w = 1; w <= scale.warehouses; w++) {
    for (const condition of CONDITIONS) {
      await ask(condition, condition.query(w, scale), `warehouse ${w}`);
    }
    for (let d = 1; d <= scale.districtsPerWarehouse; d++) {
      for (const condition of DISTRICT_CONDITIONS) {
        await ask(condition, condition.query(w, d), `warehouse ${w}, district ${d}`);
      }
    }
  }
  return violations;
}
