/**
 * TPC-C's nine tables (clause 1.3), for Quorate and for PostgreSQL alike. Every key begins with the warehouse, so that
 * tables can be split by it; the two secondary indexes are for what the transactions look up otherwise: customers by
 * last name, a customer's last order.
 *
 * Beyond the specification: `history` has a key, made of the warehouse and a random id, where the specification has
 * none, so that its rows lie with their warehouse. Foreign keys, which the specification leaves open, are not declared.
 */
export const TABLES = [
  'order_line',
  'new_order',
  'orders',
  'history',
  'stock',
  'customer',
  'district',
  'warehouse',
  'item',
] as const;

/** Those that have a warehouse at the beginning of their key. */
export const TABLES_BY_WAREHOUSE = TABLES.filter((table) => table !== 'item');

const ADDRESS = (prefix: string): string =>
  `${prefix}_street_1 varchar(20) not null, ${prefix}_street_2 varchar(20) not null,
   ${prefix}_city varchar(20) not null, ${prefix}_state char(2) not null,
   ${prefix}_zip char(9) not null`;

const DISTRICT_TEXTS = Array.from(
  { length: 10 },
  (_, i) => `${districtText(i + 1)} char(24) not null`,
).join(', ');

/** The column of `stock` that goes with a district, 1 to 10. */
export function districtText(district: number): string {
  return `s_dist_${String(district).padStart(2, '0')}`;
}

export const CREATE_TABLES: readonly string[] = [
  `create table warehouse (
    w_id int not null, w_name varchar(10) not null, ${ADDRESS('w')},
    w_tax numeric(4,4) not null, w_ytd numeric(12,2) not null,
    primary key (w_id))`,
  `create table district (
    d_w_id int not null, d_id int not null, d_name varchar(10) not null, ${ADDRESS('d')},
    d_tax numeric(4,4) not null, d_ytd numeric(12,2) not null, d_next_o_id int not null,
    primary key (d_w_id, d_id))`,
  `create table customer (
    c_w_id int not null, c_d_id int not null, c_id int not null,
    c_first varchar(16) not null, c_middle char(2) not null, c_last varchar(16) not null,
    ${ADDRESS('c')}, c_phone char(16) not null, c_since timestamp not null,
    c_credit char(2) not null, c_credit_lim numeric(12,2) not null,
    c_discount numeric(4,4) not null, c_balance numeric(12,2) not null,
    c_ytd_payment numeric(12,2) not null, c_payment_cnt int not null,
    c_delivery_cnt int not null, c_data varchar(500) not null,
    primary key (c_w_id, c_d_id, c_id))`,
  `create table history (
    h_w_id int not null, h_id uuid not null default gen_random_uuid(),
    h_d_id int not null, h_c_w_id int not null, h_c_d_id int not null, h_c_id int not null,
    h_date timestamp not null, h_amount numeric(6,2) not null, h_data varchar(24) not null,
    primary key (h_w_id, h_id))`,
  `create table new_order (
    no_w_id int not null, no_d_id int not null, no_o_id int not null,
    primary key (no_w_id, no_d_id, no_o_id))`,
  `create table orders (
    o_w_id int not null, o_d_id int not null, o_id int not null, o_c_id int not null,
    o_entry_d timestamp not null, o_carrier_id int, o_ol_cnt int not null,
    o_all_local int not null,
    primary key (o_w_id, o_d_id, o_id))`,
  `create table order_line (
    ol_w_id int not null, ol_d_id int not null, ol_o_id int not null, ol_number int not null,
    ol_i_id int not null, ol_supply_w_id int not null, ol_delivery_d timestamp,
    ol_quantity int not null, ol_amount numeric(6,2) not null, ol_dist_info char(24) not null,
    primary key (ol_w_id, ol_d_id, ol_o_id, ol_number))`,
  `create table item (
    i_id int not null, i_im_id int not null, i_name varchar(24) not null,
    i_price numeric(5,2) not null, i_data varchar(50) not null,
    primary key (i_id))`,
  `create table stock (
    s_w_id int not null, s_i_id int not null, s_quantity int not null, ${DISTRICT_TEXTS},
    s_ytd int not null, s_order_cnt int not null, s_remote_cnt int not null,
    s_data varchar(50) not null,
    primary key (s_w_id, s_i_id))`,
  'create index customer_by_name on customer (c_w_id, c_d_id, c_last, c_first)',
  'create index orders_by_customer on orders (o_w_id, o_d_id, o_c_id, o_id)',
];
