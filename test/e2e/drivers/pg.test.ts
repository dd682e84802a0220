/**
 * npm's `pg`, the driver under most of the Node programs that speak Postgres, unchanged against a real cluster: types
 * both ways, errors, transactions, prepared statements, binary results, row limits, pipelining, pools at every node.
 */
import type { QueryConfig } from 'pg';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ProcessCluster } from '../../support/process-cluster.ts';

/** What the driver knows and its types do not. */
interface MoreConfig extends QueryConfig {
  /** Rows per Execute: the portal is read in pieces. */
  readonly rows?: number;
  readonly binary?: boolean;
}

describe('the driver pg', () => {
  let cluster: ProcessCluster;
  let pools: pg.Pool[] = [];

  const configOf = (node: number): pg.ClientConfig => {
    const { host, sqlPort: port } = cluster.node(node);
    return { host, port, user: 'tester', database: 'quorate' };
  };

  const connect = async (node: number, more: object = {}): Promise<pg.Client> => {
    const client = new pg.Client({ ...configOf(node), ...more });
    await client.connect();
    return client;
  };

  beforeAll(async () => {
    cluster = await ProcessCluster.start();
    pools = cluster.nodes.map(({ id }) => new pg.Pool({ ...configOf(id), max: 4 }));
    await pools[0]?.query(`
      DROP TABLE IF EXISTS kind, entry, wallet;
      CREATE TABLE kind (
        id integer PRIMARY KEY, small smallint, big bigint, exact numeric(12,3), approximate float8,
        label text, code varchar(5), is_on boolean, bytes bytea, day date, at timestamptz
      );
      CREATE TABLE entry (id integer PRIMARY KEY, body text UNIQUE NOT NULL);
      CREATE TABLE wallet (id integer PRIMARY KEY, amount integer NOT NULL);
    `);
  });

  afterAll(async () => {
    await Promise.all(pools.map((pool) => pool.end()));
    await cluster.stop();
  });

  const pool = (node: number): pg.Pool => {
    const found = pools[node - 1];
    if (found === undefined) throw new Error(`there is no node ${node}`);
    return found;
  };

  it('sends and receives values of every common type', async () => {
    const at = new Date('2024-02-29T12:34:56.789Z');
    const values = [
      ...[1, -5, '9007199254740993', '123456789.125', 0.1, 'é€𝄞', 'abcde', true],
      ...[Buffer.from([0, 1, 255]), '1999-12-31', at],
    ];
    const inserted = await pool(1).query(
      'INSERT INTO kind VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)',
      values,
    );
    expect([inserted.command, inserted.rowCount]).toEqual(['INSERT', 1]);
    await pool(2).query('INSERT INTO kind (id, label) VALUES ($1, $2)', [2, null]);
    const { rows, fields } = await pool(3).query('SELECT * FROM kind ORDER BY id');
    expect(rows).toEqual([
      {
        ...{ id: 1, small: -5, big: '9007199254740993', exact: '123456789.125' },
        ...{ approximate: 0.1, label: 'é€𝄞', code: 'abcde', is_on: true },
        ...{ bytes: Buffer.from([0, 1, 255]), day: new Date(1999, 11, 31), at },
      },
      {
        ...{ id: 2, small: null, big: null, exact: null, approximate: null, label: null },
        ...{ code: null, is_on: null, bytes: null, day: null, at: null },
      },
    ]);
    expect(fields.map((field) => field.dataTypeID)).toEqual([
      23, 21, 20, 1700, 701, 25, 1043, 16, 17, 1082, 1184,
    ]);
    const { rows: sums } = await pool(1).query<{ n: string; s: string }>(
      'SELECT count(*) AS n, sum(big) AS s FROM kind WHERE id = $1 OR label = $2',
      [1, 'none'],
    );
    expect(sums).toEqual([{ n: '1', s: '9007199254740993' }]);
  });

  /** Small values: the driver takes all results for UTF-8 on the way. */
  it('receives binary results', async () => {
    const client = await connect(1);
    const config: MoreConfig = {
      text: 'SELECT id, 5::smallint AS small, 2::float8 AS approximate, label, is_on FROM kind WHERE id = $1',
      values: [1],
      binary: true,
    };
    const { rows, fields } = await client.query(config);
    expect(rows).toEqual([{ id: 1, small: 5, approximate: 2, label: 'é€𝄞', is_on: true }]);
    expect(fields.map((field) => field.format)).toEqual(Array(5).fill('binary'));
    await client.end();
  });

  it('shows errors with their fields, and goes on', async () => {
    const client = await connect(2);
    await client.query("INSERT INTO entry VALUES (1, 'first')");
    await expect(client.query("INSERT INTO entry VALUES (2, 'first')")).rejects.toMatchObject({
      ...{ code: '23505', severity: 'ERROR', schema: 'public', table: 'entry' },
      ...{ constraint: 'entry_body_key', detail: 'Key (body)=(first) already exists.' },
    });
    await expect(client.query('INSERT INTO entry VALUES ($1)', [3])).rejects.toMatchObject({
      ...{ code: '23502', table: 'entry', column: 'body' },
    });
    await expect(client.query('SELECT $1::int', ['x'])).rejects.toMatchObject({ code: '22P02' });
    await expect(client.query('SELECT * FROM entri')).rejects.toMatchObject({
      ...{ code: '42P01', position: '15' },
    });
    expect((await client.query('SELECT count(*) FROM entry')).rows).toEqual([{ count: '1' }]);
    await client.end();
  });

  it('answers several statements of one query, and an empty one', async () => {
    const results = (await pool(1).query(
      "SELECT 1 AS a; INSERT INTO entry VALUES (50, 'many'); SELECT 'b' AS b",
    )) as unknown as pg.QueryResult[];
    expect(results.map((result) => result.command)).toEqual(['SELECT', 'INSERT', 'SELECT']);
    expect(results[2]?.rows).toEqual([{ b: 'b' }]);
    expect((await pool(1).query('')).rows).toEqual([]);
    await pool(1).query('DELETE FROM entry');
  });

  it('passes settings at the start, and notices', async () => {
    const client = await connect(3, {
      ...{ application_name: 'e2e', statement_timeout: 60_000, options: '-c TimeZone=Asia/Tokyo' },
    });
    const notices: (string | undefined)[] = [];
    client.on('notice', (notice) => notices.push(notice.code));
    const show = async (name: string): Promise<unknown> =>
      Object.values((await client.query<Record<string, string>>(`SHOW ${name}`)).rows[0] ?? {})[0];
    expect(await show('application_name')).toBe('e2e');
    expect(await show('statement_timeout')).toBe('1min');
    expect(await show('TimeZone')).toBe('Asia/Tokyo');
    await client.query('DROP TABLE IF EXISTS missing');
    await client.query('COMMIT');
    expect(notices).toEqual(['00000', '25P01']);
    await client.end();
  });

  it('prepares a statement once and runs it with other values', async () => {
    const client = await connect(1);
    for (let id = 1; id <= 20; id++) {
      const text = 'INSERT INTO entry VALUES ($1, $2) RETURNING id, body';
      const { rows } = await client.query({ name: 'add', text, values: [id, `entry ${id}`] });
      expect(rows).toEqual([{ id, body: `entry ${id}` }]);
    }
    const text = 'SELECT body FROM entry WHERE id = $1';
    for (const id of [20, 1, 21]) {
      const { rows } = await client.query({ name: 'get', text, values: [id], rowMode: 'array' });
      expect(rows).toEqual(id <= 20 ? [[`entry ${id}`]] : []);
    }
    // A statement whose table has changed since it was prepared.
    await pool(2).query('ALTER TABLE entry ADD COLUMN note text');
    const { rows } = await client.query({ name: 'get', text, values: [2] });
    expect(rows).toEqual([{ body: 'entry 2' }]);
    await client.end();
  });

  it('reads a result in pieces', async () => {
    const client = await connect(2);
    const config: MoreConfig = { text: 'SELECT id FROM entry ORDER BY id', rows: 7 };
    await client.query('BEGIN');
    const { rows } = await client.query<{ id: number }>(config);
    expect(rows.map((row) => row.id)).toEqual(Array.from({ length: 20 }, (_, i) => i + 1));
    await client.query('COMMIT');
    const alone = await client.query({ ...config, text: 'SELECT generate_series(1, 100) AS n' });
    expect(alone.rows.length).toBe(100);
    await client.end();
  });

  it('commits and rolls back', async () => {
    const client = await pool(1).connect();
    try {
      await client.query('BEGIN');
      await client.query('INSERT INTO wallet VALUES ($1, $2), ($3, $4)', [1, 100, 2, 100]);
      await client.query('SAVEPOINT before');
      await expect(client.query('SELECT 1 / 0')).rejects.toMatchObject({ code: '22012' });
      await expect(client.query('SELECT 1')).rejects.toMatchObject({ code: '25P02' });
      await client.query('ROLLBACK TO SAVEPOINT before');
      await client.query('COMMIT');
      await client.query('BEGIN');
      await client.query('DELETE FROM wallet');
      await client.query('ROLLBACK');
    } finally {
      client.release();
    }
    expect((await pool(2).query('SELECT sum(amount) FROM wallet')).rows).toEqual([{ sum: '200' }]);
  });

  it('keeps a sum under concurrent transactions at every node, with the usual retry', async () => {
    const transfer = async (node: number, amount: number): Promise<void> => {
      const client = await pool(node).connect();
      try {
        for (let tries = 0; ; tries++) {
          try {
            await client.query('BEGIN ISOLATION LEVEL SERIALIZABLE');
            const read = 'SELECT amount FROM wallet WHERE id = $1';
            const { rows } = await client.query<{ amount: number }>(read, [1]);
            const left = (rows[0]?.amount ?? 0) - amount;
            await client.query('UPDATE wallet SET amount = $1 WHERE id = 1', [left]);
            await client.query('UPDATE wallet SET amount = amount + $1 WHERE id = 2', [amount]);
            await client.query('COMMIT');
            return;
          } catch (error) {
            await client.query('ROLLBACK');
            const code = (error as { code?: string }).code ?? '';
            if (tries > 200 || !['40001', '40P01'].includes(code)) throw error;
          }
        }
      } finally {
        client.release();
      }
    };
    await Promise.all(Array.from({ length: 60 }, (_, i) => transfer((i % 3) + 1, 1)));
    const { rows } = await pool(3).query('SELECT id, amount FROM wallet ORDER BY id');
    expect(rows).toEqual([
      { id: 1, amount: 40 },
      { id: 2, amount: 160 },
    ]);
  });

  it('pipelines queries on one connection', async () => {
    const client = await connect(1, { pipeline: true });
    const ids = Array.from({ length: 200 }, (_, i) => 1000 + i);
    const inserts = ids.map((id) =>
      client.query('INSERT INTO entry VALUES ($1, $2)', [id, `piped ${id}`]),
    );
    const read = client.query('SELECT count(*) AS n FROM entry WHERE id >= $1', [1000]);
    const bad = client.query('INSERT INTO entry VALUES ($1, $2)', [1000, 'again']);
    const later = ids.map((id) => client.query('SELECT body FROM entry WHERE id = $1', [id]));
    await expect(bad).rejects.toMatchObject({ code: '23505' });
    expect((await Promise.all(inserts)).every((result) => result.rowCount === 1)).toBe(true);
    expect((await read).rows).toEqual([{ n: '200' }]);
    const bodies = (await Promise.all(later)).map((result) => result.rows as unknown[]);
    expect(bodies).toEqual(ids.map((id) => [{ body: `piped ${id}` }]));
    await client.end();
  });
});
