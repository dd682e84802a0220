/**
 * Every workload, over real SQL: its check finds nothing when the database is honest, even about operations of unknown
 * outcome, and finds what a database did that lies: a statement it acknowledged and did not run, or ran twice.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connectSession } from '../../../bench/driver/session.ts';
import { SeededRandom } from '../../../bench/driver/random.ts';
import type { DriverSession } from '../../../bench/driver/target.ts';
import type { Field, Result, Session, Statement, Workload } from '../../../bench/workload.ts';
import { SqlFailure } from '../../../bench/workload.ts';
import { WORKLOADS, findWorkload } from '../../../bench/workloads/catalog.ts';
import { parseValues } from '../../../bench/workloads/definition.ts';
import type { LocalServer } from '../../support/local-server.ts';
import { startLocalServer } from '../../support/local-server.ts';

let server: LocalServer;

beforeAll(async () => {
  server = await startLocalServer();
});

afterAll(() => server.close());

/** Small enough for a test; what a workload does not take is left out. */
const SMALL: Readonly<Record<string, string>> = {
  ...{ rows: '60', bytes: '40', hot: '3', batch: '7', length: '9', scale: '1', size: 'test' },
};

function make(name: string, more: Readonly<Record<string, string>> = {}): Workload {
  const definition = findWorkload(name);
  if (definition === undefined) throw new Error(`there is no ${name}`);
  return definition.make(parseValues(definition.parameters, { ...SMALL, ...more }));
}

type Call = { readonly name: string; readonly values: readonly Field[] };

/** What a server that lies does with a call; undefined: as it should. */
type Lie = (
  call: Call,
  run: () => Promise<Result>,
  runOther: (values: readonly Field[]) => Promise<Result>,
) => Promise<Result> | undefined;

class LyingSession implements Session {
  readonly #inner: DriverSession;
  readonly #lie: Lie;

  constructor(inner: DriverSession, lie: Lie) {
    this.#inner = inner;
    this.#lie = lie;
  }

  execute(statement: Statement, values: readonly Field[]): Promise<Result> {
    const run = (): Promise<Result> => this.#inner.execute(statement, values);
    const runOther = (other: readonly Field[]): Promise<Result> =>
      this.#inner.execute(statement, other);
    return this.#lie({ name: statement.name, values }, run, runOther) ?? run();
  }

  async pipeline(calls: readonly (readonly [Statement, readonly Field[]])[]): Promise<Result[]> {
    const results: Result[] = [];
    for (const [statement, values] of calls) results.push(await this.execute(statement, values));
    return results;
  }

  query(text: string): Promise<Result[]> {
    return this.#inner.query(text);
  }

  copyIn(text: string, chunks: Iterable<string>): Promise<Result> {
    const rows = [...chunks];
    const run = (): Promise<Result> => this.#inner.copyIn(text, rows);
    const runOther = (other: readonly Field[]): Promise<Result> =>
      this.#inner.copyIn(text, other as string[]);
    return this.#lie({ name: 'copy', values: rows }, run, runOther) ?? run();
  }
}

const OPERATIONS = 40;
const CLIENTS = 4;

/** Loads honestly, runs with the lie, checks honestly. Failures of operations are part of life. */
async function violationsOf(workload: Workload, lie: Lie): Promise<readonly string[]> {
  const sessions: DriverSession[] = [];
  for (let i = 0; i <= CLIENTS; i++) {
    const { port } = server;
    const options = { host: '127.0.0.1', port, user: 'quorate', database: 'quorate' };
    sessions.push(await connectSession(options));
  }
  const [own, ...others] = sessions;
  if (own === undefined) throw new Error('no session');
  await workload.load(own);
  await Promise.all(
    others.map(async (session, i) => {
      const client = workload.client(i, CLIENTS, new SeededRandom(5, i));
      const lying = new LyingSession(session, lie);
      for (let n = 0; n < OPERATIONS; n++) {
        await client.run(lying).catch(async (error: unknown) => {
          if (!(error instanceof SqlFailure)) throw error;
          if (session.isInTransaction) await session.query('ROLLBACK');
        });
      }
    }),
  );
  const violations = await workload.check(own);
  for (const session of sessions) session.close();
  return violations;
}

const honest: Lie = () => undefined;

/** The n-th call of this name is treated so. */
function once(name: string, nth: number, lie: Lie): Lie {
  let count = 0;
  return (call, run, runOther) =>
    call.name.startsWith(name) && ++count === nth ? lie(call, run, runOther) : undefined;
}

const dropped =
  (tag: string): Lie =>
  () =>
    Promise.resolve({ rows: [], tag });

const repeated: Lie = async (_call, run) => {
  await run();
  return run();
};

describe('every workload', () => {
  for (const { name } of WORKLOADS.filter((each) => !each.name.startsWith('pgbench'))) {
    it(`${name} holds on an honest database`, async () => {
      expect(await violationsOf(make(name), honest)).toEqual([]);
    });
  }

  it('pipelines', async () => {
    expect(await violationsOf(make('point-read', { pipeline: '5' }), honest)).toEqual([]);
    expect(await violationsOf(make('point-write', { pipeline: '5' }), honest)).toEqual([]);
    expect(await violationsOf(make('bank', { trips: 'one' }), honest)).toEqual([]);
  });

  it('holds when operations of unknown outcome took effect, or did not', async () => {
    let count = 0;
    const unsure: Lie = (call, run) => {
      const isLast = /write|increment|commit|ingest|copy|ycsb_(insert|update)/.test(call.name);
      if (!isLast || ++count % 5 !== 0) return undefined;
      const isDone = count % 2 === 0;
      return (isDone ? run() : Promise.resolve()).then(() => {
        throw new SqlFailure('40003', 'who knows');
      });
    };
    for (const name of ['point-write', 'hot-row', 'read-modify-write', 'bank', 'batch-insert']) {
      expect([name, await violationsOf(make(name), unsure)]).toEqual([name, []]);
    }
    for (const name of ['copy', 'ycsb-a', 'ycsb-d', 'ycsb-f']) {
      expect([name, await violationsOf(make(name), unsure)]).toEqual([name, []]);
    }
  });
});

describe('a database that lies', () => {
  const cases: readonly (readonly [string, string, Lie, RegExp])[] = [
    ['point-write', 'loses a write', onLastWrite(), /holds write/],
    [
      ...(['point-read', 'returns another row'] as const),
      once('kv_read', 9, (_, __, other) => other(['59'])),
      /a read of row/,
    ],
    [
      ...(['range-scan', 'leaves a row out'] as const),
      once('kv_scan', 9, async (_, run) => {
        const { rows, tag } = await run();
        return { rows: rows.toSpliced(3, 1), tag };
      }),
      /a scan of 9 rows/,
    ],
    ['hot-row', 'loses an increment', once('counter_', 9, dropped('UPDATE 1')), /stands at/],
    ['hot-row', 'increments twice', once('counter_', 9, repeated), /stands at/],
    [
      ...(['hot-row', 'finds no row'] as const),
      once('counter_', 9, dropped('UPDATE 0')),
      /answered with UPDATE 0/,
    ],
    [
      ...(['read-modify-write', 'reads what is old'] as const),
      once('counter_lock', 100, async (_, run) => {
        const { rows, tag } = await run();
        return { rows: [[String(Number(rows[0]?.[0]) - 1)]], tag };
      }),
      /stands at/,
    ],
    ['bank', 'loses one side', once('bank_add', 9, dropped('UPDATE 1')), /all accounts together/],
    ['bank', 'adds twice', once('bank_add', 9, repeated), /account \d+ has/],
    ['batch-insert', 'loses a batch', once('ingest', 9, dropped('INSERT 0 7')), /is not there/],
    [
      ...(['copy', 'loses a row of a batch'] as const),
      once('copy', 9, (call, _, other) =>
        other(call.values.slice(1)).then(() => ({ rows: [], tag: 'COPY 7' })),
      ),
      /has 6 rows instead of 7/,
    ],
    [
      ...(['copy', 'keeps what it refused'] as const),
      once('copy', 9, (_, run) =>
        run().then(() => {
          throw new SqlFailure('40001', 'refused');
        }),
      ),
      /though it was refused/,
    ],
    [
      'ycsb-d',
      'loses an insert',
      once('ycsb_insert', 2, dropped('INSERT 0 1')),
      /is missing|0 rows/,
    ],
    [
      ...(['ycsb-c', 'returns another record'] as const),
      once('ycsb_read', 9, async (_, run) => {
        const { rows, tag } = await run();
        return { rows: rows.map((row) => row.toSpliced(1, 1, '0.0:0:')), tag };
      }),
      /a read of record/,
    ],
    ['ycsb-a', 'loses updates', lateUpdatesLost(), /holds write/],
  ];
  for (const [name, does, lie, sentence] of cases) {
    it(`${does}: ${name}`, async () => {
      const violations = await violationsOf(make(name), lie);
      expect(violations.join('\n')).toMatch(sentence);
    });
  }
});

describe("pgbench's scripts", () => {
  it('hold on an honest database, and find a lost update or row', async () => {
    expect(await violationsOf(make('pgbench-tpcb'), honest)).toEqual([]);
    const simple = make('pgbench-simple-update', { protocol: 'simple' });
    expect(await violationsOf(simple, honest)).toEqual([]);
    const teller = once('pgbench_teller', 5, dropped('UPDATE 1'));
    const lostTeller = await violationsOf(make('pgbench-tpcb'), teller);
    expect(lostTeller.join('\n')).toMatch(/tellers add up to/);
    const history = once('pgbench_history', 5, dropped('INSERT 0 1'));
    const lostRow = await violationsOf(make('pgbench-simple-update'), history);
    expect(lostRow.join('\n')).toMatch(/rows of the history: 159/);
  });
});

/** From half of the run on, no write takes effect. */
function onLastWrite(): Lie {
  let count = 0;
  return (call) =>
    call.name === 'kv_write' && ++count > 80 ? dropped('INSERT 0 1')(...unused) : undefined;
}

function lateUpdatesLost(): Lie {
  let count = 0;
  return (call) =>
    call.name.startsWith('ycsb_update') && ++count > 20
      ? dropped('UPDATE 1')(...unused)
      : undefined;
}

const nothing = (): Promise<Result> => Promise.resolve({ rows: [], tag: '' });
const unused = [{ name: '', values: [] }, nothing, nothing] as const;
