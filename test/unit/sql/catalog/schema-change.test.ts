import { describe, expect, it } from 'vitest';
import { run } from '../../../../src/base/steps.ts';
import { GarbageSweeper } from '../../../../sql/catalog/garbage-sweeper.ts';
import { CatalogCache } from '../../../../sql/catalog/catalog-cache.ts';
import { TableWriter } from '../../../../sql/exec/table-writer.ts';
import { codecOf } from '../../../../sql/exec/table-codec.ts';
import type { TableDescriptor } from '../../../../sql/catalog/descriptors.ts';
import type { KvTxn } from '../../../../src/kv/kv-client.ts';
import { DEFAULT_FORMAT } from '../../../../sql/types/format-context.ts';
import type { Datum } from '../../../../sql/types/datum.ts';
import { LocalKv } from '../../../support/local-kv.ts';
import { schemaBench } from '../../../support/sql-schema.ts';

const LOCK = { strength: 'update', wait: 'block', timeoutMs: 0 } as const;

function writer(table: TableDescriptor, txn: KvTxn): TableWriter {
  return new TableWriter(table, { txn, lock: LOCK, format: DEFAULT_FORMAT, checks: [] });
}

async function insert(table: TableDescriptor, txn: KvTxn, ...rows: Datum[][]): Promise<void> {
  await run(writer(table, txn).insert(rows, false));
}

async function rowsOf(table: TableDescriptor, txn: KvTxn): Promise<Datum[][]> {
  const codec = codecOf(table);
  const cursor = txn.scan(codec.span, codec.fence);
  const rows: Datum[][] = [];
  for (let batch = await cursor.next(); batch; batch = await cursor.next()) {
    rows.push(...batch.map((row) => codec.readRow(row)));
  }
  return rows;
}

/** Keys of tables, after everything that was given up has been swept. */
async function keyCount(kv: LocalKv): Promise<number> {
  const time = { nowMs: 0 };
  const scheduler = {
    after: (delayMs: number, fn: () => void) => {
      time.nowMs += delayMs;
      queueMicrotask(fn);
      return { cancel: () => undefined };
    },
  };
  const env = { clock: { monotonicMs: () => time.nowMs }, scheduler };
  const sweeper = new GarbageSweeper(kv, env, { restMs: 1000, periodMs: 100 });
  await sweeper.sweep();
  time.nowMs += 1000;
  await sweeper.sweep();
  return storedKeys(kv);
}

async function storedKeys(kv: LocalKv): Promise<number> {
  const txn = kv.begin({ txnMaxBytes: 1e6, signal: new AbortController().signal });
  const cursor = txn.scan({ start: '\x10' as never, end: '\x11' as never }, undefined);
  let count = 0;
  for (let batch = await cursor.next(); batch; batch = await cursor.next()) count += batch.length;
  return count;
}

describe('schema changes', () => {
  it('creates a table that its own transaction and then all see', async () => {
    const kv = new LocalKv();
    const cache = new CatalogCache();
    const one = schemaBench(kv, cache);
    await one.ddl('create table t (id int primary key, v text unique, w numeric(5,2) default 7)');
    const table = await one.table('t');
    await insert(table, one.txn, [1, 'a', null]);
    await one.commit();
    const two = schemaBench(kv);
    const seen = await two.table('t');
    expect(seen).toEqual(table);
    expect(seen).toMatchObject({
      version: 1,
      hasPrimaryKey: true,
      primary: { name: 't_pkey' },
      indexes: [{ name: 't_v_key', isUnique: true }],
    });
    expect(await rowsOf(seen, two.txn)).toEqual([[1, 'a', null]]);
    await expect(schemaBench(kv).ddl('create table t (a int)')).rejects.toMatchObject({
      sqlState: '42P07',
    });
    expect(cache.byName('public', 't')).toBeDefined();
  });

  it('leaves nothing when it is rolled back', async () => {
    const kv = new LocalKv();
    const one = schemaBench(kv);
    await one.ddl('create table t (id serial primary key)');
    one.txn.rollback();
    const two = schemaBench(kv);
    await expect(two.table('t')).rejects.toThrow('no table');
    await two.ddl('create table t (id int)');
    expect((await two.table('t')).hasPrimaryKey).toBe(false);
  });

  it('refuses a second row with the same key, also among its own', async () => {
    const bench = schemaBench(new LocalKv());
    await bench.ddl('create table t (id int primary key, v text unique)');
    const table = await bench.table('t');
    await insert(table, bench.txn, [1, 'a'], [2, null], [3, null]);
    await expect(insert(table, bench.txn, [1, 'b'])).rejects.toMatchObject({
      sqlState: '23505',
      message: 'duplicate key value violates unique constraint "t_pkey"',
      detail: 'Key (id)=(1) already exists.',
    });
    await expect(insert(table, bench.txn, [5, 'x'], [6, 'x'])).rejects.toMatchObject({
      constraint: 't_v_key',
      detail: 'Key (v)=(x) already exists.',
    });
  });

  it('adds a primary key to a loaded table: rows move, lookups are single gets', async () => {
    const kv = new LocalKv({ batchRows: 10 });
    const one = schemaBench(kv);
    await one.ddl('create table t (id int, v text)');
    await one.ddl('create index on t (v)');
    const before = await one.table('t');
    const rows = Array.from({ length: 35 }, (_, i): Datum[] => [kv.uniqueInt(), 34 - i, `v${i}`]);
    await insert(before, one.txn, ...rows);
    await one.commit();
    const two = schemaBench(kv);
    await two.ddl('alter table t add primary key (id)');
    const after = await two.table('t');
    await two.commit();
    expect(after.columns.map((column) => [column.name, column.isNotNull])).toEqual([
      ['id', true],
      ['v', false],
    ]);
    const three = schemaBench(kv);
    const found = await rowsOf(after, three.txn);
    expect(found.map((row) => row[0])).toEqual(Array.from({ length: 35 }, (_, i) => i));
    const codec = codecOf(after);
    const value = await three.txn.get(codec.primaryKey([7, null]), codec.fence);
    expect(value).toBeDefined();
    // Rows, and their entries in the one index; the old ones until they are swept.
    expect(await storedKeys(kv)).toBe(140);
    expect(await keyCount(kv)).toBe(70);
  });

  it('refuses a primary key over duplicates and nulls', async () => {
    const kv = new LocalKv();
    const bench = schemaBench(kv);
    await bench.ddl('create table t (id int)');
    const table = await bench.table('t');
    await insert(table, bench.txn, [1n, 4], [2n, 4]);
    await expect(bench.ddl('alter table t add primary key (id)')).rejects.toMatchObject({
      sqlState: '23505',
      message: 'could not create unique index "t_pkey"',
      detail: 'Key (id)=(4) is duplicated.',
    });
    bench.txn.rollback();
    const other = schemaBench(kv);
    await other.ddl('create table u (id int)');
    await insert(await other.table('u'), other.txn, [1n, null]);
    await expect(other.ddl('alter table u add primary key (id)')).rejects.toMatchObject({
      sqlState: '23502',
    });
  });

  it('fills a unique index, or says what is in its way', async () => {
    const bench = schemaBench(new LocalKv());
    await bench.ddl('create table t (id int primary key, v text)');
    const table = await bench.table('t');
    await insert(table, bench.txn, [1, 'a'], [2, 'b'], [3, null], [4, null]);
    await bench.ddl('create unique index i on t (v)');
    const indexed = await bench.table('t');
    await expect(insert(indexed, bench.txn, [9, 'b'])).rejects.toMatchObject({ constraint: 'i' });
    await bench.ddl('drop index i');
    await insert(await bench.table('t'), bench.txn, [9, 'b']);
    await expect(bench.ddl('create unique index i on t (v)')).rejects.toMatchObject({
      detail: 'Key (v)=(b) is duplicated.',
    });
  });

  it('keeps old rows readable when columns come and go', async () => {
    const bench = schemaBench(new LocalKv());
    await bench.ddl('create table t (id int primary key, v text)');
    await insert(await bench.table('t'), bench.txn, [1, 'a']);
    await bench.ddl('alter table t add column n int default 7, drop column v');
    await insert(await bench.table('t'), bench.txn, [2, null]);
    expect(await rowsOf(await bench.table('t'), bench.txn)).toEqual([
      [1, 7],
      [2, null],
    ]);
    await bench.ddl('alter table t add column v text');
    expect(await rowsOf(await bench.table('t'), bench.txn)).toEqual([
      [1, 7, null],
      [2, null, null],
    ]);
    await expect(bench.ddl('alter table t add column x int not null')).rejects.toMatchObject({
      sqlState: '23502',
    });
  });

  it('truncates and drops without leaving rows', async () => {
    const kv = new LocalKv();
    const one = schemaBench(kv);
    await one.ddl('create table t (id serial primary key, v text unique)');
    await insert(await one.table('t'), one.txn, [1, 'a'], [2, 'b']);
    await one.commit();
    const two = schemaBench(kv);
    await two.ddl('truncate t restart identity');
    expect((await two.table('t')).version).toBe(2);
    await insert(await two.table('t'), two.txn, [1, 'a']);
    await two.commit();
    expect(await keyCount(kv)).toBe(2);
    const three = schemaBench(kv);
    await three.ddl('drop table t');
    await three.ddl('drop table if exists t');
    expect(three.notices).toEqual(['00000 table "t" does not exist, skipping']);
    await three.commit();
    expect(await keyCount(kv)).toBe(0);
    await schemaBench(kv).ddl('create table t_v_key (a int)');
  });

  it('lets one of two concurrent changes of a table wait for the other', async () => {
    const kv = new LocalKv();
    const setup = schemaBench(kv);
    await setup.ddl('create table t (id int primary key)');
    await setup.commit();
    const [one, two] = [schemaBench(kv), schemaBench(kv)];
    await one.ddl('alter table t add column a int');
    const waiting = two.ddl('alter table t add column b int');
    await one.commit();
    // What it has read of the catalog has changed: the statement is to be run again at a newer snapshot.
    await expect(waiting).rejects.toMatchObject({ code: 'snapshot_moved' });
  });

  it.each([
    ['create table t (a int, a text)', '42701'],
    ['create table t (a int, primary key (b))', '42703'],
    ['create table t (a int primary key, primary key (a))', '42P16'],
    ['create table t (a nosuchtype)', '42704'],
    ['create table t (a json)', '0A000'],
    ['create table t (a int[])', '0A000'],
    ['create temp table t (a int)', '0A000'],
    ['create table nosuch.t (a int)', '3F000'],
    ['create table pg_catalog.t (a int)', '42501'],
    ['drop table nosuch', '42P01'],
    ['alter table nosuch add column a int', '42P01'],
    ['create index on nosuch (a)', '42P01'],
    ['create sequence s increment 0', '22023'],
    ['create table t (a text generated always as identity)', '22023'],
  ])('%s is %s', async (text, sqlState) => {
    await expect(schemaBench(new LocalKv()).ddl(text)).rejects.toMatchObject({ sqlState });
  });
});
