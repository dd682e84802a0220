/**
 * Question: how much processor time does a transaction take in the code of all three nodes together, kernel apart?
 * `node dist/bench/inprocess/main.js [SCRIPT ...] [--seconds N] [--clients N] [--nodes N]
 * [--table-mib N]`, best with `--cpu-prof`. With a small memory table the rows that were loaded lie in the engine.
 */
import process from 'node:process';
import { parseArgs } from 'node:util';
import { serialize } from 'pg-protocol';
import type { MemSocket } from './cluster.ts';
import { MemCluster } from './cluster.ts';

type Parameters = Readonly<Record<string, number>>;
interface Step {
  readonly text: string;
  readonly values?: (at: Parameters) => number[];
}

const WINDOWS = 10;
const SCALE = 10;
const ACCOUNTS = 10_000 * SCALE;
const accountUpdate: Step = {
  text: 'UPDATE pgbench_accounts SET abalance = abalance + $1 WHERE aid = $2;',
  values: ({ delta = 0, aid = 0 }) => [delta, aid],
};
const accountSelect: Step = {
  text: 'SELECT abalance FROM pgbench_accounts WHERE aid = $1;',
  values: ({ aid = 0 }) => [aid],
};
const historyInsert: Step = {
  text: 'INSERT INTO pgbench_history (tid, bid, aid, delta, mtime) VALUES ($1, $2, $3, $4, CURRENT_TIMESTAMP);',
  values: ({ tid = 0, bid = 0, aid = 0, delta = 0 }) => [tid, bid, aid, delta],
};
const tellerUpdate: Step = {
  text: 'UPDATE pgbench_tellers SET tbalance = tbalance + $1 WHERE tid = $2;',
  values: ({ delta = 0, tid = 0 }) => [delta, tid],
};
const branchUpdate: Step = {
  text: 'UPDATE pgbench_branches SET bbalance = bbalance + $1 WHERE bid = $2;',
  values: ({ delta = 0, bid = 0 }) => [delta, bid],
};
const hundred = ({ aid = 0 }: Parameters): number[] => [aid, aid + 99];
const scanHundred: Step = {
  text: 'SELECT aid, filler FROM pgbench_accounts WHERE aid BETWEEN $1 AND $2;',
  values: hundred,
};
const sumHundred: Step = {
  text: 'SELECT sum(abalance) FROM pgbench_accounts WHERE aid BETWEEN $1 AND $2;',
  values: hundred,
};
const orderHundred: Step = {
  text: 'SELECT filler FROM pgbench_accounts WHERE aid BETWEEN $1 AND $2 ORDER BY filler;',
  values: hundred,
};
const scanOne: Step = {
  text: 'SELECT aid, filler FROM pgbench_accounts WHERE aid BETWEEN $1 AND $2;',
  values: ({ aid = 0 }) => [aid, aid],
};
const byTwoTables: Step = {
  text: 'SELECT a.aid, t.tbalance FROM pgbench_accounts a JOIN pgbench_tellers t ON t.tid = a.bid + a.abalance * 0 WHERE a.aid BETWEEN $1 AND $2;',
  values: hundred,
};
const BEGIN: Step = { text: 'BEGIN;' };
const END: Step = { text: 'END;' };

const SCRIPTS: Readonly<Record<string, readonly Step[]>> = {
  one: [{ text: 'SELECT 1;' }],
  be: [BEGIN, END],
  sel: [accountSelect],
  scan: [scanHundred],
  sum: [sumHundred],
  order: [orderHundred],
  scan1: [scanOne],
  join: [byTwoTables],
  bsse: [BEGIN, scanHundred, scanHundred, END],
  bse: [BEGIN, accountSelect, END],
  upd: [accountUpdate],
  bue: [BEGIN, accountUpdate, END],
  bie: [BEGIN, historyInsert, END],
  n: [BEGIN, accountUpdate, accountSelect, historyInsert, END],
  tpcb: [BEGIN, accountUpdate, accountSelect, tellerUpdate, branchUpdate, historyInsert, END],
};

class Client {
  readonly #socket: MemSocket;
  #script: readonly Step[] = [];
  #step = 0;
  #values: Parameters = {};
  #onReady: (() => void) | undefined;
  done = 0;
  isStopped = true;
  /** Names of statements by their text. */
  readonly #prepared = new Map<string, string>();

  constructor(socket: MemSocket) {
    this.#socket = socket;
    socket.onBytes = (bytes) => this.#onBytes(bytes);
  }

  async open(): Promise<void> {
    await this.#exchange(serialize.startup({ user: 'q', database: 'quorate' }));
  }

  query(text: string): Promise<void> {
    return this.#exchange(serialize.query(text));
  }

  async prepare(script: readonly Step[]): Promise<void> {
    for (const { text } of script) {
      if (this.#prepared.has(text)) continue;
      const name = `p${this.#prepared.size}`;
      this.#prepared.set(text, name);
      const parse = serialize.parse({ name, text });
      await this.#exchange(Buffer.concat([parse, serialize.sync()]));
    }
  }

  run(script: readonly Step[]): void {
    this.#script = script;
    this.#step = 0;
    this.isStopped = false;
    this.#next();
  }

  stop(): Promise<void> {
    this.isStopped = true;
    return new Promise((resolve) => (this.#onReady = resolve));
  }

  #exchange(bytes: Buffer): Promise<void> {
    return new Promise((resolve) => {
      this.#onReady = resolve;
      setImmediate(() => this.#socket.toServer(bytes));
    });
  }

  #next(): void {
    if (this.#step === 0) {
      this.#values = {
        aid: 1 + Math.floor(Math.random() * ACCOUNTS),
        tid: 1 + Math.floor(Math.random() * 10 * SCALE),
        bid: 1 + Math.floor(Math.random() * SCALE),
        delta: Math.floor(Math.random() * 10001) - 5000,
      };
    }
    const step = this.#script[this.#step];
    if (step === undefined) return;
    const values = (step.values?.(this.#values) ?? []).map(String);
    const bytes = Buffer.concat([
      serialize.bind({ statement: this.#prepared.get(step.text) ?? '', values }),
      serialize.describe({ type: 'P' }),
      serialize.execute(),
      serialize.sync(),
    ]);
    setImmediate(() => this.#socket.toServer(bytes));
  }

  #onBytes(bytes: Uint8Array): void {
    if (bytes[0] === 0x45) {
      throw new Error(Buffer.from(bytes).toString('latin1'));
    }
    if (bytes[bytes.length - 6] !== 0x5a) return;
    if (this.#script.length > 0) {
      this.#step = (this.#step + 1) % this.#script.length;
      if (this.#step === 0) this.done++;
      if (this.#step > 0 || !this.isStopped) {
        this.#next();
        return;
      }
      this.#script = [];
    }
    const ready = this.#onReady;
    this.#onReady = undefined;
    ready?.();
  }
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seconds: { type: 'string', default: '3' },
    clients: { type: 'string', default: '16' },
    nodes: { type: 'string', default: '3' },
    at: { type: 'string' },
    'table-mib': { type: 'string', default: '1024' },
  },
});

async function load(client: Client): Promise<void> {
  await client.query(
    'CREATE TABLE pgbench_accounts (aid int PRIMARY KEY, bid int, abalance int, filler char(84));' +
      'CREATE TABLE pgbench_tellers (tid int PRIMARY KEY, bid int, tbalance int, filler char(84));' +
      'CREATE TABLE pgbench_branches (bid int PRIMARY KEY, bbalance int, filler char(88));' +
      'CREATE TABLE pgbench_history (tid int, bid int, aid int, delta int, mtime timestamp, filler char(22));',
  );
  const rows = (from: number, to: number, row: (i: number) => string): string =>
    Array.from({ length: to - from + 1 }, (_, i) => row(from + i)).join(',');
  await client.query(
    `INSERT INTO pgbench_branches VALUES ${rows(1, SCALE, (i) => `(${i}, 0, NULL)`)}`,
  );
  await client.query(
    `INSERT INTO pgbench_tellers VALUES ${rows(1, 10 * SCALE, (i) => `(${i}, 1, 0, NULL)`)}`,
  );
  for (let from = 1; from <= ACCOUNTS; from += 1000) {
    await client.query(
      `INSERT INTO pgbench_accounts VALUES ${rows(from, from + 999, (i) => `(${i}, 1, 0, '')`)}`,
    );
  }
}

// The nodes' timers keep no process alive, and there are no sockets.
setInterval(() => undefined, 1000);
const cluster = await MemCluster.start(Number(values.nodes), Number(values['table-mib']) * 2 ** 20);
const admin = new Client(cluster.connect(0));
await admin.open();
await load(admin);
const clients: Client[] = [];
for (let i = 0; i < Number(values.clients); i++) {
  const client = new Client(cluster.connect(values.at === undefined ? i : Number(values.at)));
  await client.open();
  clients.push(client);
}
for (const name of positionals.length > 0 ? positionals : Object.keys(SCRIPTS)) {
  const script = SCRIPTS[name];
  if (script === undefined) throw new Error(`no script ${name}`);
  for (const client of clients) await client.prepare(script);
  const measure = async (seconds: number): Promise<number> => {
    const before = clients.reduce((sum, { done }) => sum + done, 0);
    const from = process.cpuUsage();
    await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
    const { user, system } = process.cpuUsage(from);
    return (user + system) / (clients.reduce((sum, { done }) => sum + done, 0) - before);
  };
  for (const client of clients) client.run(script);
  await measure(Number(values.seconds));
  // The quietest of several windows: what else the machine does makes it more, and never less.
  const windows: number[] = [];
  for (let i = 0; i < WINDOWS; i++) windows.push(await measure(Number(values.seconds) / WINDOWS));
  windows.sort((a, b) => a - b);
  const median = windows[WINDOWS >> 1] ?? 0;
  process.stdout.write(
    `${name.padEnd(6)} ${(windows[0] ?? 0).toFixed(1)} us, median ${median.toFixed(1)}\n`,
  );
  await Promise.all(clients.map((client) => client.stop()));
}
process.exit(0);
