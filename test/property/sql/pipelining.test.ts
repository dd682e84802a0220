/**
 * A client that sends statements without waiting for answers, each with its own Sync, is told what one is told that
 * waits: on the wire, whatever the statements are and however their bytes arrive.
 */
import fc from 'fast-check';
import { serialize } from 'pg-protocol';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RawClient } from '../../e2e/raw-client.ts';
import type { LocalServer } from '../../support/local-server.ts';
import { startLocalServer } from '../../support/local-server.ts';

const STATEMENTS: Readonly<Record<string, string>> = {
  insert: 'INSERT INTO t VALUES ($1, $2)',
  upsert: 'INSERT INTO t VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET v = t.v + excluded.v',
  update: 'UPDATE t SET v = v + $2 WHERE id = $1',
  divide: 'UPDATE t SET v = 100 / ($2 - 3) WHERE id = $1',
  returning: 'UPDATE t SET v = $2 WHERE id = $1 RETURNING v',
  delete: 'DELETE FROM t WHERE id = $1 AND v <> $2',
  quotient: 'SELECT 10 / (v - $2) FROM t WHERE id = $1',
  select: 'SELECT v FROM t WHERE id = $1 AND v <> $2',
  begin: 'BEGIN',
  commit: 'COMMIT',
  rollback: 'ROLLBACK',
};
const PLAIN = ['begin', 'commit', 'rollback'];

interface Item {
  readonly name: string;
  readonly id: string;
  readonly v: string;
  readonly isDescribed: boolean;
  readonly portal: string;
  /** A Query message between them. */
  readonly isQuery: boolean;
}

const arbItem: fc.Arbitrary<Item> = fc.record({
  name: fc.oneof(
    { weight: 12, arbitrary: fc.constantFrom('insert', 'upsert', 'update', 'select', 'quotient') },
    { weight: 4, arbitrary: fc.constantFrom(...Object.keys(STATEMENTS), 'unknown') },
  ),
  id: fc.oneof(
    { weight: 12, arbitrary: fc.integer({ min: 1, max: 25 }).map(String) },
    { weight: 1, arbitrary: fc.constantFrom('x', '99999999999', '\xff') },
  ),
  v: fc.integer({ min: 0, max: 5 }).map(String),
  isDescribed: fc.boolean(),
  portal: fc.oneof(
    { weight: 9, arbitrary: fc.constant('') },
    { weight: 1, arbitrary: fc.constant('p') },
  ),
  isQuery: fc.integer({ min: 0, max: 19 }).map((drawn) => drawn === 0),
});

function bytesOf({ name, id, v, isDescribed, portal, isQuery }: Item): Buffer {
  if (isQuery) return serialize.query(`UPDATE t SET v = v + 1 WHERE id = ${Number(v)}`);
  const values = PLAIN.includes(name) ? [] : [id, v];
  return Buffer.concat([
    serialize.bind({ portal, statement: name, values }),
    ...(isDescribed ? [serialize.describe({ type: 'P', name: portal })] : []),
    serialize.execute({ portal, rows: 0 }),
    serialize.sync(),
  ]);
}

let server: LocalServer;

beforeAll(async () => {
  server = await startLocalServer();
  const client = await RawClient.connect({ host: '127.0.0.1', sqlPort: server.port });
  client.send(serialize.query('CREATE TABLE t (id int PRIMARY KEY, v int CHECK (v < 8))'));
  await client.until('Z');
  client.send(serialize.end());
});

afterAll(async () => {
  await server.close();
});

/** Everything that is said up to the answer of the last, and the rows that are left. */
async function said(send: (client: RawClient) => Promise<string[]>): Promise<string[]> {
  const client = await RawClient.connect({ host: '127.0.0.1', sqlPort: server.port });
  const query = async (text: string): Promise<string[]> => {
    client.send(serialize.query(text));
    return (await client.until('Z')).map(shown);
  };
  await query('TRUNCATE t');
  for (const [name, text] of Object.entries(STATEMENTS))
    client.send(serialize.parse({ name, text }));
  client.send(serialize.sync());
  await client.until('Z');
  const answers = await send(client);
  client.send(serialize.sync(), serialize.query('ROLLBACK'));
  await client.until('Z');
  await client.until('Z');
  const rows = await query('SELECT * FROM t ORDER BY id');
  client.send(serialize.end());
  return [...answers, ...rows];
}

function shown({ type, body }: { type: string; body: Buffer }): string {
  return `${type} ${body.toString('latin1')}`;
}

describe('statements sent without waiting for answers', () => {
  it('are answered as if they had come one by one', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(arbItem, { minLength: 1, maxLength: 90, size: 'max' }),
        fc.array(fc.nat(), { maxLength: 4 }),
        async (items, cuts) => {
          const alone = await said(async (client) => {
            const answers: string[] = [];
            for (const item of items) {
              client.send(bytesOf(item));
              answers.push(...(await client.until('Z')).map(shown));
            }
            return answers;
          });
          const together = await said(async (client) => {
            const bytes = Buffer.concat(items.map(bytesOf));
            const at = [
              0,
              ...cuts.map((cut) => cut % bytes.length).sort((a, b) => a - b),
              bytes.length,
            ];
            for (let i = 1; i < at.length; i++) client.send(bytes.subarray(at[i - 1], at[i]));
            const answers: string[] = [];
            for (let left = items.length; left > 0; left--) {
              answers.push(...(await client.until('Z')).map(shown));
            }
            return answers;
          });
          expect(together).toEqual(alone);
        },
      ),
      { numRuns: 80 },
    );
    expect(server.counters.sqlPipelined).toBeGreaterThan(100);
  });

  it('are done up to a message that cannot be read', async () => {
    const client = await RawClient.connect({ host: '127.0.0.1', sqlPort: server.port });
    client.send(serialize.query('DROP TABLE IF EXISTS m; CREATE TABLE m (id int PRIMARY KEY)'));
    await client.until('Z');
    client.send(
      serialize.parse({ name: 'm', text: 'INSERT INTO m VALUES ($1)' }),
      serialize.sync(),
    );
    await client.until('Z');
    const insert = (id: string): Buffer =>
      Buffer.concat([
        serialize.bind({ statement: 'm', values: [id] }),
        serialize.execute(),
        serialize.sync(),
      ]);
    const broken = Buffer.from('42000000060000', 'hex');
    client.send(
      Buffer.concat([insert('1'), insert('2'), broken, serialize.execute(), serialize.sync()]),
    );
    const types = (await client.until('never')).map(({ type }) => type).join('');
    expect(types).toBe('2CZ2CZE');
    const other = await RawClient.connect({ host: '127.0.0.1', sqlPort: server.port });
    other.send(serialize.query('SELECT count(*)::text FROM m'));
    expect((await other.until('Z')).map(shown).join()).toContain('2');
    other.send(serialize.end());
  });
});
