/**
 * What clients do wrong, by accident or on purpose, to a node of a real cluster. Each gets the error that users of
 * Postgres expect (the cases without a setting of Quorate's own were compared with PostgreSQL 15), and after each the
 * node serves others as before.
 */
import net from 'node:net';
import { serialize } from 'pg-protocol';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { WireClient } from '../../src/client/wire-client.ts';
import { ProcessCluster, answered, until } from '../support/process-cluster.ts';
import { RawClient, fieldsOf } from './raw-client.ts';

const ID_MAX = 20_000;

describe('a node and its clients', () => {
  let cluster: ProcessCluster;
  let witness: WireClient;
  let round = 0;

  beforeAll(async () => {
    cluster = await ProcessCluster.start();
    witness = await cluster.connect(1);
    await witness.query('CREATE TABLE pulse (id integer PRIMARY KEY, n integer)');
    await witness.query('INSERT INTO pulse VALUES (1, 0)');
    await witness.query('CREATE TABLE big (id integer PRIMARY KEY, body text)');
    await witness.query(
      `INSERT INTO big SELECT i, repeat('x', 1000) FROM generate_series(1, ${ID_MAX}) AS i`,
    );
  });

  afterAll(() => cluster.stop());

  /** Whatever happened: the node goes on serving others, and no transaction was left half done. */
  afterEach(async () => {
    round++;
    await answered('a write', witness.query('UPDATE pulse SET n = n + 1'));
    const other = await cluster.connect(2);
    const [read] = await answered('a read', other.query('SELECT n FROM pulse'));
    other.close();
    expect(read?.rows).toEqual([[String(round)]]);
    const status = await cluster.status(1);
    expect(status?.isReady).toBe(true);
  });

  const errorOf = async (answer: Promise<unknown>): Promise<Record<string, unknown>> => {
    try {
      await answered('a statement that has to fail', answer);
    } catch (error) {
      return error as Record<string, unknown>;
    }
    throw new Error('it has not failed');
  };

  const connected = async (body: (client: WireClient) => Promise<void>): Promise<void> => {
    const client = await cluster.connect(1);
    try {
      await body(client);
      const [still] = await answered('the same connection', client.query('SELECT 1'));
      expect(still?.rows).toEqual([['1']]);
    } finally {
      client.close();
    }
  };

  const raw = async (body: (client: RawClient) => Promise<void>): Promise<void> => {
    const client = await RawClient.connect(cluster.node(1));
    try {
      await body(client);
    } finally {
      client.destroy();
    }
  };

  /** The errors of one connection that goes on: what is sent, the SQLSTATE, words of the message. */
  const expectErrors = (
    cases: readonly (readonly [bytes: Buffer, code: string, words: string])[],
  ): Promise<void> =>
    raw(async (client) => {
      for (const [bytes, code, words] of cases) {
        client.send(bytes);
        const error = await client.error();
        expect(error).toMatchObject({ C: code, S: 'ERROR' });
        expect(error.M).toContain(words);
      }
      client.send(serialize.query('SELECT 1'));
      expect((await client.until('Z')).map(({ type }) => type).join('')).toBe('TDCZ');
    });

  it.each([
    ['SELECT * FROM nowhere', '42P01', 15],
    ['SELEC 1', '42601', 1],
    ['SELECT 1 +', '42601', 11],
    ['SELECT (1', '42601', 10],
    ["SELECT 'é€𝄞', nothing FROM pulse", '42703', 15],
    ['SELECT 1; SELECT 2 FROM; SELECT 3', '42601', 24],
    ["SELECT 'open", '42601', 8],
    ['SELECT "open', '42601', 8],
    ['SELECT /* open', '42601', 8],
    ['SELECT $1 FROM pulse WHERE id = $2', '42P02', 8],
    ['INSERT INTO pulse VALUES (2, 1, 1)', '42601', 33],
    ['SELECT 1 WHERE 1', '42804', 16],
    ['SELECT 9223372036854775808::bigint', '22003', undefined],
  ])('%s: %s at %s', async (text, code, position) => {
    await connected(async (client) => {
      const simple = await errorOf(client.query(text));
      expect({ code: simple.code, position: simple.position }).toEqual({
        code,
        position: position === undefined ? undefined : String(position),
      });
    });
  });

  it('text that is not UTF-8', async () => {
    const bad = Buffer.from("SELECT 'a\xff\xfeb'\0", 'latin1');
    await raw(async (client) => {
      client.sendMessage('Q', bad);
      expect(await client.error()).toMatchObject({
        C: '22021',
        M: 'invalid byte sequence for encoding "UTF8": 0xff',
      });
      client.sendMessage('P', Buffer.concat([Buffer.from('\0'), bad, Buffer.alloc(2)]));
      client.send(serialize.sync());
      expect((await client.error()).C).toBe('22021');
      client.send(
        serialize.parse({ text: 'SELECT $1::text' }),
        Buffer.from('B\0\0\0\x13\0\0\0\0\0\x01\0\0\0\x03a\xc3\x28\0\0', 'latin1'),
        serialize.sync(),
      );
      expect(await client.error()).toMatchObject({
        C: '22021',
        M: 'invalid byte sequence for encoding "UTF8": 0xc3 0x28',
      });
      client.send(serialize.query("SELECT 'é€𝄞'"));
      expect((await client.until('Z')).map(({ type }) => type).join('')).toBe('TDCZ');
    });
  });

  it('statements of a megabyte', async () => {
    await connected(async (client) => {
      const text = 'é'.repeat(512 * 1024);
      const [long] = await client.query(`SELECT length('${text}'), '${text}'`);
      expect(long?.rows[0]?.[0]).toBe(String(512 * 1024));
      expect(long?.rows[0]?.[1]).toBe(text);
      const rows = Array.from({ length: 40_000 }, (_, i) => `(${i}, 'row number ${i}')`);
      const [values] = await client.query(
        `SELECT count(*), sum(a), max(b) FROM (VALUES ${rows.join(', ')}) AS v (a, b)`,
      );
      expect(values?.rows).toEqual([['40000', '799980000', 'row number 9999']]);
      const sum = Array.from({ length: 300 }, () => '1').join(' + ');
      expect((await client.query(`SELECT ${sum}`))[0]?.rows).toEqual([['300']]);
      const at = `SELECT '${text}' `.length + 1;
      const error = await errorOf(client.query(`SELECT '${text}' ! ! FROM`));
      expect(error.code).toBe('42601');
      expect(Number(error.position)).toBeGreaterThanOrEqual(at);
    });
  });

  it('nesting without end', async () => {
    await connected(async (client) => {
      const deep = 200_000;
      for (const text of [
        `SELECT ${'('.repeat(deep)}1${')'.repeat(deep)}`,
        `SELECT ${'NOT '.repeat(deep)}true`,
        `SELECT ${'- '.repeat(deep)}1`,
        `${'SELECT * FROM ('.repeat(deep)}SELECT 1${') AS s'.repeat(deep)}`,
        `SELECT ${'1 + '.repeat(deep)}1`,
        `SELECT 1 ${'UNION ALL SELECT 1 '.repeat(deep)}`,
      ]) {
        expect(['54001', '42601']).toContain((await errorOf(client.query(text))).code);
      }
    });
  });

  it.each([10_000, 65_535])('%i parameters', async (count) => {
    await connected(async (client) => {
      const list = Array.from({ length: count }, (_, i) => `$${i + 1}`);
      const values = list.map((_, i) => String(i + 1));
      const text = `SELECT count(*), max(id) FROM big WHERE id IN (${list.join(', ')})`;
      const { rows } = await client.execute(text, values);
      const found = Math.min(count, ID_MAX);
      expect(rows).toEqual([[String(found), String(found)]]);
    });
  });

  it('numbers of parameters that no message can hold', () =>
    expectErrors(
      ['SELECT $0::int', 'SELECT $2000000000::int', 'SELECT $99999999999999999999::int'].map(
        (text) => [
          Buffer.concat([serialize.parse({ text }), serialize.sync()]),
          '42P02',
          'parameter',
        ],
      ),
    ));

  it('Bind that does not fit its statement', () => {
    const parse = serialize.parse({ name: 's', text: 'SELECT $1::int4 + $2::int4' });
    const close = serialize.close({ type: 'S', name: 's' });
    const bound = (values: (Buffer | string | null)[]): Buffer =>
      Buffer.concat([
        close,
        parse,
        serialize.bind({ statement: 's', values }),
        serialize.execute(),
        serialize.sync(),
      ]);
    return expectErrors([
      [bound(['1']), '08P01', 'bind message supplies 1 parameters, but prepared statement "s"'],
      [bound(['1', '2', '3']), '08P01', 'requires 2'],
      [bound(['1', 'two']), '22P02', 'invalid input syntax for type integer: "two"'],
      [bound(['1', '99999999999']), '22003', 'out of range for type integer'],
      [bound([Buffer.from([0, 0, 1]), '2']), '08P01', 'insufficient data left in message'],
      [bound([Buffer.from([0, 0, 0, 0, 1]), '2']), '22P03', 'incorrect binary data format'],
    ]);
  });

  it('names of statements and portals that do not exist, or exist already', () => {
    const execute = Buffer.concat([serialize.execute({ portal: 'p' }), serialize.sync()]);
    const bind = serialize.bind({ portal: 'p', statement: 'none', values: [] });
    const describe = serialize.describe({ type: 'S', name: 'none' });
    const parse = serialize.parse({ name: 'twice', text: 'SELECT 1' });
    const portal = serialize.bind({ portal: 'p', statement: 'twice', values: [] });
    const sync = serialize.sync();
    return expectErrors([
      [execute, '34000', 'portal "p" does not exist'],
      [Buffer.concat([bind, sync]), '26000', 'prepared statement "none" does not exist'],
      [Buffer.concat([describe, sync]), '26000', 'prepared statement "none" does not exist'],
      [Buffer.concat([parse, parse, sync]), '42P05', 'prepared statement "twice" already exists'],
      [Buffer.concat([portal, portal, sync]), '42P03', '"p" already exists'],
      [execute, '34000', 'portal "p" does not exist'],
      [
        Buffer.concat([serialize.parse({ text: 'SELECT 1; SELECT 2' }), sync]),
        '42601',
        'cannot insert multiple commands into a prepared statement',
      ],
    ]);
  });

  it('garbage instead of a first message', async () => {
    const garbage = [
      Buffer.from('GET / HTTP/1.1\r\nHost: here\r\n\r\n'),
      Buffer.alloc(4096, 0xff),
      Buffer.alloc(4096),
      Buffer.from([0, 0, 0, 4]),
      Buffer.from([0, 0, 0, 8, 0, 9, 0, 0]),
      Buffer.from([0x7f, 0xff, 0xff, 0xff, 0, 3, 0, 0]),
      Buffer.from([0, 0, 0, 12, 0, 3, 0, 0, 0x75, 0x73, 0x65, 0x72]),
    ];
    for (const bytes of garbage) {
      const client = await RawClient.open(cluster.node(1));
      client.send(bytes);
      const answer = await client.closed();
      expect(answer.map(({ type }) => type).filter((type) => type !== 'E')).toEqual([]);
      client.destroy();
    }
  });

  it('garbage after the login', async () => {
    const message = (type: string, length: number, rest: Buffer = Buffer.alloc(0)): Buffer => {
      const head = Buffer.alloc(5);
      head.write(type, 0, 'latin1');
      head.writeInt32BE(length, 1);
      return Buffer.concat([head, rest]);
    };
    const garbage = [
      Buffer.alloc(65536, 0xff),
      Buffer.from('y\0\0\0\x04', 'latin1'),
      message('Q', 3),
      message('Q', -1),
      message('Q', 0x7fffffff, Buffer.from('SELECT 1')),
      message('Q', 8, Buffer.from('abcd')),
      message('B', 8, Buffer.alloc(4, 0xff)),
      message('P', 5, Buffer.alloc(1)),
      message('D', 6, Buffer.from('X\0')),
    ];
    for (const bytes of garbage) {
      await raw(async (client) => {
        client.send(bytes);
        // The error itself may be lost where the server closes with unread bytes behind it.
        for (const { type, body } of await client.closed()) {
          expect(type).toBe('E');
          expect(fieldsOf(body)).toMatchObject({ C: '08P01', S: 'FATAL' });
        }
      });
    }
  });

  it('connections that end in the middle of a message or a transaction', async () => {
    await raw(async (client) => {
      client.send(serialize.query('BEGIN; UPDATE pulse SET n = -1; SELECT 1'));
      await client.until('Z');
      client.send(serialize.query('SELECT 1').subarray(0, 7));
      client.destroy();
      await Promise.resolve();
    });
    const silent = await RawClient.open(cluster.node(1));
    const copying = await RawClient.connect(cluster.node(1));
    copying.send(serialize.query('COPY pulse FROM STDIN'));
    await copying.until('G');
    copying.sendMessage('d', '7\t7\n');
    copying.destroy();
    silent.destroy();
    // The lock is free and nothing has been written: `afterEach` asks.
    const [rows] = await witness.query('SELECT count(*) FROM pulse');
    expect(rows?.rows).toEqual([['1']]);
  });

  it('a client that does not read its result', async () => {
    const before = (await cluster.status(1))?.rssBytes ?? 0;
    const slow: RawClient[] = [];
    const queries = [
      "SELECT i, repeat('y', 1000) FROM generate_series(1, 1000000) AS i",
      'SELECT a.body FROM big AS a, big AS b',
      'COPY (SELECT a.body FROM big AS a, big AS b) TO STDOUT',
    ];
    for (const text of queries) {
      const client = await RawClient.connect(cluster.node(1));
      client.send(serialize.query(text));
      client.stopReading();
      slow.push(client);
    }
    for (let i = 0; i < 50; i++) {
      const [count] = await answered('others', witness.query('SELECT count(*) FROM pulse'));
      expect(count?.rows).toEqual([['1']]);
      await answered('writers', witness.query('UPDATE big SET body = body WHERE id = 1'));
    }
    // Gigabytes are waiting to be read, and the node holds next to none of them.
    const after = (await cluster.status(1))?.rssBytes ?? 0;
    expect(after - before).toBeLessThan(500e6);
    const clients = (await cluster.status(1))?.clientCount ?? 0;
    for (const client of slow) client.destroy();
    await until('the end of the slow clients', async () => {
      const status = await cluster.status(1);
      return status !== undefined && status.clientCount <= clients - slow.length;
    });
  });

  it('five hundred idle connections', async () => {
    const before = (await cluster.status(1))?.clientCount ?? 0;
    const idle: WireClient[] = [];
    for (let i = 0; i < 500; i += 50) {
      idle.push(...(await Promise.all(Array.from({ length: 50 }, () => cluster.connect(1)))));
    }
    expect((await cluster.status(1))?.clientCount).toBe(before + 500);
    await Promise.all(idle.slice(0, 100).map((client) => client.query('BEGIN; SELECT 1')));
    const [count] = await answered('another', witness.query('SELECT count(*) FROM pulse'));
    expect(count?.rows).toEqual([['1']]);
    const last = idle[499];
    expect((await last?.query('SELECT n FROM pulse'))?.[0]?.rows).toEqual([[String(round)]]);
    for (const client of idle) client.destroy();
    await until('their end', async () => (await cluster.status(1))?.clientCount === before);
  });

  /** Runs a statement that has to wait for a row lock of the witness. */
  const blocked = async (
    body: (client: WireClient, answer: Promise<unknown>) => Promise<void>,
    ...settings: readonly string[]
  ): Promise<void> => {
    await witness.query('BEGIN; UPDATE pulse SET n = n WHERE id = 1');
    try {
      await connected(async (client) => {
        for (const setting of settings) await client.query(setting);
        await body(client, client.query('UPDATE pulse SET n = -1 WHERE id = 1'));
      });
    } finally {
      await witness.query('ROLLBACK');
    }
  };

  it('a cancel request', async () => {
    await blocked(async (client, answer) => {
      const outcome = errorOf(answer);
      await sendCancel(client.processId, client.secretKey + 1);
      await sendCancel(client.processId + 1000, client.secretKey);
      await sendCancel(client.processId, client.secretKey);
      expect(await outcome).toMatchObject({
        code: '57014',
        message: 'canceling statement due to user request',
      });
      // Nothing runs: nothing to cancel.
      await sendCancel(client.processId, client.secretKey);
    });
    await connected(async (client) => {
      const running = errorOf(
        client.query('SELECT count(*) FROM generate_series(1, 1000000000) AS i WHERE i % 3 = 1'),
      );
      await witness.query('SELECT 1');
      await sendCancel(client.processId, client.secretKey);
      expect((await running).code).toBe('57014');
      const join = errorOf(client.query('SELECT count(*) FROM big a, big b WHERE a.id + b.id < 0'));
      await witness.query('SELECT 1');
      await sendCancel(client.processId, client.secretKey);
      expect((await join).code).toBe('57014');
    });
  });

  it('statement_timeout and lock_timeout', async () => {
    await blocked(async (_client, answer) => {
      expect(await errorOf(answer)).toMatchObject({
        code: '57014',
        message: 'canceling statement due to statement timeout',
      });
    }, "SET statement_timeout = '100ms'");
    await blocked(async (_client, answer) => {
      expect(await errorOf(answer)).toMatchObject({
        code: '55P03',
        message: 'canceling statement due to lock timeout',
      });
    }, "SET lock_timeout = '100ms'");
    await connected(async (client) => {
      await client.query('SET statement_timeout = 200');
      const endless = client.query('SELECT count(*) FROM generate_series(1, 1000000000)');
      expect((await errorOf(endless)).code).toBe('57014');
      await client.query('SET statement_timeout = 0');
    });
  });

  it('idle_in_transaction_session_timeout', async () => {
    await raw(async (client) => {
      client.send(serialize.query("SET idle_in_transaction_session_timeout = '100ms'"));
      await client.until('Z');
      client.send(serialize.query('BEGIN; UPDATE pulse SET n = -1 WHERE id = 1'));
      await client.until('Z');
      const answer = await client.closed();
      expect(answer.map(({ type }) => type)).toEqual(['E']);
      expect(answer.map(({ body }) => fieldsOf(body))).toMatchObject([{ C: '25P03', S: 'FATAL' }]);
    });
  });

  it('more memory than work_mem', async () => {
    await connected(async (client) => {
      await client.query("SET work_mem = '1MB'");
      for (const text of [
        'SELECT body FROM big ORDER BY body || id',
        'SELECT id, count(*) FROM big GROUP BY id, body',
        'SELECT count(*) FROM (SELECT DISTINCT body || id FROM big) AS d',
        'SELECT count(*) FROM big a JOIN big b ON a.body || a.id = b.body || b.id',
      ]) {
        expect((await errorOf(client.query(text))).code).toBe('53200');
      }
      await client.query("SET work_mem = '256MB'");
      const [enough] = await client.query(
        'SELECT count(*) FROM (SELECT DISTINCT body || id FROM big) d',
      );
      expect(enough?.rows).toEqual([[String(ID_MAX)]]);
    });
  });

  it('a transaction larger than txn_max_bytes', async () => {
    await connected(async (client) => {
      await client.query("SET txn_max_bytes = '1MB'");
      const error = await errorOf(client.query('UPDATE big SET body = body || body'));
      expect(error.code).toBe('54000');
      const [same] = await client.query('SELECT max(length(body)) FROM big');
      expect(same?.rows).toEqual([['1000']]);
    });
  });

  /** As libpq does it: a connection of its own, which the server closes without an answer. */
  async function sendCancel(processId: number, secretKey: number): Promise<void> {
    const { host, sqlPort: port } = cluster.node(1);
    const socket = net.connect({ host, port });
    socket.write(serialize.cancel(processId, secretKey));
    socket.resume();
    await answered('a cancel request', new Promise((resolve) => socket.once('close', resolve)));
  }
});
