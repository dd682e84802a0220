/** The driver's session against the real wire protocol, and against a peer that ends the connection. */
import net from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { WireSession } from '../../../bench/driver/session.ts';
import { connectSession } from '../../../bench/driver/session.ts';
import { SqlFailure } from '../../../bench/workload.ts';
import type { LocalServer } from '../../support/local-server.ts';
import { startLocalServer } from '../../support/local-server.ts';

let server: LocalServer;
let session: WireSession;

function open(port: number): Promise<WireSession> {
  return connectSession({ host: '127.0.0.1', port, user: 'quorate', database: 'quorate' });
}

beforeAll(async () => {
  server = await startLocalServer();
  session = await open(server.port);
  await session.query('CREATE TABLE t (id int PRIMARY KEY, v text)');
});

afterAll(async () => {
  session.close();
  await server.close();
});

const PUT = { name: 'put', text: 'INSERT INTO t VALUES ($1, $2)' };
const GET = { name: 'get', text: 'SELECT v FROM t WHERE id = $1' };

async function stateOf(call: Promise<unknown>): Promise<string> {
  const error: unknown = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(SqlFailure);
  return (error as SqlFailure).sqlState;
}

describe('WireSession', () => {
  it('runs statements by name, again and again', async () => {
    expect(await session.execute(PUT, ['1', 'one'])).toEqual({ rows: [], tag: 'INSERT 0 1' });
    await session.execute(PUT, ['2', null]);
    expect((await session.execute(GET, ['1'])).rows).toEqual([['one']]);
    expect((await session.execute(GET, ['2'])).rows).toEqual([[null]]);
    // It was parsed once: what the server forgets, the session does not send again.
    await session.query('DEALLOCATE put');
    expect(await stateOf(session.execute(PUT, ['3', 'three']))).toBe('26000');
    await session.query('PREPARE put AS INSERT INTO t VALUES ($1, $2)');
  });

  it('refuses two statements of one name', async () => {
    const other = { name: 'get', text: 'SELECT 1' };
    await expect(session.execute(other, [])).rejects.toThrow('two statements are named get');
  });

  it('goes on after an error, with a statement that was parsed or not', async () => {
    const wrong = { name: 'wrong', text: 'SELECT nothing FROM nowhere' };
    expect(await stateOf(session.execute(wrong, []))).toBe('42P01');
    expect(await stateOf(session.execute(wrong, []))).toBe('42P01');
    const divide = { name: 'divide', text: 'SELECT 1 / $1::int' };
    expect(await stateOf(session.execute(divide, ['0']))).toBe('22012');
    expect((await session.execute(divide, ['1'])).rows).toEqual([['1']]);
  });

  it('sends several statements before one Sync: all or nothing', async () => {
    const results = await session.pipeline([
      [PUT, ['10', 'a']],
      [GET, ['10']],
      [GET, ['11']],
    ]);
    expect(results.map(({ tag }) => tag)).toEqual(['INSERT 0 1', 'SELECT 1', 'SELECT 0']);
    expect(results[1]?.rows).toEqual([['a']]);
    const twice = [PUT, ['20', 'b']] as const;
    expect(await stateOf(session.pipeline([twice, twice]))).toBe('23505');
    expect((await session.execute(GET, ['20'])).rows).toEqual([]);
  });

  it('answers calls that were made without waiting, in their order, a failed one among them', async () => {
    const own = await open(server.port);
    const answers = ['30', '31', '31', '32'].map((id) => own.execute(PUT, [id, `v${id}`]));
    const reading = own.execute(GET, ['32']);
    expect(await stateOf(answers[2] ?? reading)).toBe('23505');
    for (const at of [0, 1, 3]) expect((await answers[at])?.tag).toBe('INSERT 0 1');
    expect((await reading).rows).toEqual([['v32']]);
    // One that cannot be parsed takes those with it that were sent behind it, and nothing else.
    const wrong = { name: 'wrong', text: 'SELECT nothing FROM nowhere' };
    const both = [own.execute(wrong, []), own.execute(wrong, [])];
    expect(await Promise.all(both.map(stateOf))).toEqual(['42P01', '26000']);
    expect((await own.execute(GET, ['31'])).rows).toEqual([['v31']]);
    const left = [own.execute(GET, ['30']), own.execute(GET, ['31'])];
    own.close();
    expect(await Promise.all(left.map(stateOf))).toEqual(['08006', '08006']);
  });

  it('returns a result for each statement of a query, and knows whether a block is open', async () => {
    const results = await session.query('BEGIN; SELECT 1, 2; SELECT id FROM t WHERE false');
    expect(results.map(({ rows }) => rows)).toEqual([[], [['1', '2']], []]);
    expect(session.isInTransaction).toBe(true);
    await session.query('COMMIT');
    expect(session.isInTransaction).toBe(false);
  });

  it('copies in, more than fits into one message, and nothing', async () => {
    await session.query('CREATE TABLE c (id int PRIMARY KEY, v text)');
    const filler = 'x'.repeat(500);
    function* rows(): Generator<string> {
      for (let id = 0; id < 1000; id++) yield `${id}\t${filler}\n`;
    }
    expect((await session.copyIn('COPY c FROM STDIN', rows())).tag).toBe('COPY 1000');
    expect((await session.copyIn('COPY c FROM STDIN', [])).tag).toBe('COPY 0');
    expect((await session.query('SELECT count(*) FROM c'))[0]?.rows).toEqual([['1000']]);
  });

  it('goes on after a COPY that the server, or the maker of its rows, has failed', async () => {
    expect(await stateOf(session.copyIn('COPY c FROM STDIN', ['not a number\tx\n']))).toBe('22P02');
    // The server's error was about data; the next call must not get its answer.
    expect((await session.query('SELECT 7'))[0]?.rows).toEqual([['7']]);
    const broken = {
      *[Symbol.iterator](): Generator<string> {
        yield '5000\tx\n';
        throw new Error('no more');
      },
    };
    expect(await stateOf(session.copyIn('COPY c FROM STDIN', broken))).toBe('57014');
    expect((await session.query('SELECT 8'))[0]?.rows).toEqual([['8']]);
    expect(await stateOf(session.copyIn('COPY nowhere FROM STDIN', ['1\n']))).toBe('42P01');
    expect((await session.query('SELECT 9'))[0]?.rows).toEqual([['9']]);
  });

  it('says 08001 when nobody listens', async () => {
    const gone = await startLocalServer();
    await gone.close();
    expect(await stateOf(open(gone.port))).toBe('08001');
  });

  it('says 08006 when the connection is lost, then and ever after', async () => {
    const lost = await listenAndDrop();
    expect(await stateOf(open(lost.port))).toBe('08006');
    const closing = await open(server.port);
    const running = stateOf(closing.query('SELECT pg_sleep(60)'));
    closing.close();
    expect(await running).toBe('08006');
    expect(await stateOf(closing.query('SELECT 1'))).toBe('08006');
    expect(closing.isClosed).toBe(true);
    await lost.close();
  });

  it('says why the server ended it', async () => {
    const other = await startLocalServer();
    const ended = await open(other.port);
    const running = stateOf(ended.query('SELECT pg_sleep(60)'));
    await other.close();
    expect(await running).toBe('57P01');
  });
});

/** Accepts, hears the client out for one message, and is gone. */
async function listenAndDrop(): Promise<{ port: number; close: () => Promise<void> }> {
  const listener = net.createServer((socket) => {
    socket.once('data', () => socket.destroy());
  });
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
  const { port } = listener.address() as net.AddressInfo;
  return { port, close: () => new Promise((resolve) => listener.close(() => resolve())) };
}
