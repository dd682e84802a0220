/**
 * Clients with the `pg` driver at every node of a cluster under chaos: transactions that append to lists in several
 * ranges and read them. Whatever they are answered goes into a history, a file of JSON lines for `quorate check`; in
 * the end every list is read once more, so that an acknowledged append that is missing is seen.
 */
import fs from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import pg from 'pg';
import type { HistoryEvent, Operation } from '../../src/check/history.ts';
import type { Random } from '../../src/env/env.ts';
import type { ClusterNode, ProcessCluster } from '../support/process-cluster.ts';
import type { Availability } from './availability.ts';

/** Each has a row for every list that was kept under it; a list is left behind when it has grown long. */
const BUCKETS = 24;
const BUCKET_KEYS = 1_000_000;
export const TABLE_RANGES = 6;
const VALUES_MAX = 60;
const CLIENTS_PER_NODE = 3;
const PROBES_PER_NODE = 8;
const PROBE_EVERY_MS = 500;
const RECONNECT_MS = 50;
const CONNECT_MAX_MS = 5000;
/** What a cluster in trouble may answer; anything else is a bug. */
const EXPECTED = new Set(['40001', '40P01', '40003', '58000', '57P01', '57P03']);
/** COMMIT may still have taken effect. */
const AMBIGUOUS = new Set(['40003', '57P01']);

const APPEND = {
  name: 'append',
  text: `INSERT INTO lists VALUES ($1, $2)
    ON CONFLICT (key) DO UPDATE SET items = lists.items || ',' || excluded.items`,
};
const READ = { name: 'read', text: 'SELECT items FROM lists WHERE key = $1' };

/** What a client may be told: undefined when it was told nothing, because the connection is gone. */
function sqlStateOf(error: unknown): string | undefined {
  return error instanceof pg.DatabaseError ? error.code : undefined;
}

export class ChaosClients {
  readonly #cluster: ProcessCluster;
  readonly #random: Random;
  readonly #availability: Availability;
  readonly #history: number;
  readonly #probes = new Map<number, pg.Client[]>();
  readonly #generations = Array.from({ length: BUCKETS }, () => 0);
  readonly #lengths = Array.from({ length: BUCKETS }, () => 0);
  #lastValue = 0;
  #lastProcess = 0;
  #runs: Promise<void>[] = [];
  #isOver = false;
  /** Answers that nothing explains. */
  readonly surprises: string[] = [];

  constructor(
    cluster: ProcessCluster,
    options: {
      readonly random: Random;
      readonly availability: Availability;
      readonly historyFile: string;
    },
  ) {
    this.#cluster = cluster;
    this.#random = options.random;
    this.#availability = options.availability;
    this.#history = fs.openSync(options.historyFile, 'w');
  }

  async setUp(): Promise<void> {
    const client = await connect(this.#cluster.node(1));
    await client.query('CREATE TABLE lists (key bigint PRIMARY KEY, items text NOT NULL)');
    const step = (BUCKETS / TABLE_RANGES) * BUCKET_KEYS;
    const bounds = Array.from({ length: TABLE_RANGES - 1 }, (_, i) => `(${(i + 1) * step})`);
    await client.query(`ALTER TABLE lists SPLIT AT VALUES ${bounds.join(', ')}`);
    await client.end();
  }

  start(): void {
    for (const node of this.#cluster.nodes) {
      for (let i = 0; i < CLIENTS_PER_NODE; i++) this.#runs.push(this.#work(node));
    }
  }

  /** Resolves when all have ended what they were doing, and every list has been read. */
  async stop(): Promise<void> {
    this.#isOver = true;
    await Promise.all(this.#runs);
    const client = await connect(this.#cluster.node(1));
    for (const [bucket, last] of this.#generations.entries()) {
      for (let generation = 0; generation <= last; generation++) {
        const key = bucket * BUCKET_KEYS + generation;
        await this.#record([['r', String(key), null]], (op) => execute(client, op));
      }
    }
    await client.end();
    fs.closeSync(this.#history);
  }

  /** Which range of the table each node leads, by number; nodes that do not answer lead nothing. */
  async led(): Promise<Map<number, Set<number>>> {
    const led = new Map<number, Set<number>>();
    const running = this.#cluster.nodes.filter(({ id }) => this.#cluster.isRunning(id));
    const client = await connect(running[0] ?? this.#cluster.node(1));
    const { rows } = await client.query<unknown[]>({
      text: 'SHOW RANGES FROM TABLE lists',
      rowMode: 'array',
    });
    await client.end();
    for (const [range, row] of rows.entries()) {
      const leader = Number(row[3]);
      led.set(leader, (led.get(leader) ?? new Set()).add(range));
    }
    return led;
  }

  /** Leaders spread over the nodes, as far as the cluster follows. */
  async spreadLeaders(): Promise<void> {
    const { nodes } = this.#cluster;
    const client = await connect(this.#cluster.node(1));
    const { rows } = await client.query<unknown[]>({
      text: 'SHOW RANGES FROM TABLE lists',
      rowMode: 'array',
    });
    for (const [range, row] of rows.entries()) {
      const to = nodes[range % nodes.length]?.id ?? 1;
      if (Number(row[3]) === to) continue;
      await client.query(`ALTER RANGE ${Number(row[0])} TRANSFER LEADER TO ${to}`).catch(ignore);
    }
    await client.end();
  }

  /** Connections that are there before a node stands still, to ask it while it does. */
  async openProbes(node: number): Promise<void> {
    const opening = Array.from({ length: PROBES_PER_NODE }, () =>
      connect(this.#cluster.node(node)),
    );
    this.#probes.set(node, await Promise.all(opening));
  }

  /** Asks a node that stands still, every half second: when it wakes it has questions that came after later writes. */
  async probe(node: number): Promise<void> {
    const answers: Promise<void>[] = [];
    for (const client of this.#probes.get(node) ?? []) {
      const bucket = this.#random.int(0, BUCKETS - 1);
      const plan: Operation[] = [['r', this.#keyOf(bucket), null]];
      answers.push(this.#record(plan, (op) => execute(client, op)).then(() => client.end()));
      await pause(PROBE_EVERY_MS);
    }
    this.#runs.push(Promise.all(answers).then(() => undefined, ignore));
  }

  async #work(node: ClusterNode): Promise<void> {
    let client: pg.Client | undefined;
    while (!this.#isOver) {
      try {
        client ??= await connect(node);
        await this.#transaction(client, node.id);
      } catch (error) {
        const state = sqlStateOf(error);
        if (state !== undefined && !EXPECTED.has(state)) this.surprises.push(String(error));
        client?.end().catch(ignore);
        client = undefined;
        await pause(RECONNECT_MS);
      }
    }
    await client?.end().catch(ignore);
  }

  /** Throws what the connection does not survive. */
  async #transaction(client: pg.Client, node: number): Promise<void> {
    const plan = Array.from({ length: this.#random.int(1, 4) }, () => this.#operation());
    const startMs = performance.now();
    const isBlock = plan.length > 1;
    const ask = async <T>(work: () => Promise<T>): Promise<T> => {
      const answered = this.#availability.asked(node);
      return work().finally(answered);
    };
    const done = await this.#record(
      plan,
      (op) => ask(() => execute(client, op)),
      isBlock ? (text) => ask(() => client.query(text)) : undefined,
    );
    const ranges = plan.filter(([kind]) => kind === 'append').map(([, key]) => rangeOf(key));
    if (done && ranges.length > 0) {
      this.#availability.committed({ node, startMs, endMs: performance.now(), ranges });
    }
  }

  /** True: committed. Throws when the connection is of no more use. */
  async #record(
    plan: readonly Operation[],
    run: (op: Operation) => Promise<Operation>,
    control?: (text: string) => Promise<unknown>,
  ): Promise<boolean> {
    const process = ++this.#lastProcess;
    this.#note({ process, type: 'invoke', time: now(), ops: plan });
    let isCommitting = control === undefined;
    try {
      await control?.('BEGIN');
      const seen: Operation[] = [];
      for (const op of plan) seen.push(await run(op));
      isCommitting = true;
      await control?.('COMMIT');
      this.#note({ process, type: 'ok', time: now(), ops: seen });
      return true;
    } catch (error) {
      const state = sqlStateOf(error);
      const isUnknown = isCommitting && (state === undefined || AMBIGUOUS.has(state));
      this.#note({ process, type: isUnknown ? 'info' : 'fail', time: now(), ops: plan });
      if (state === undefined || state === '57P01' || !EXPECTED.has(state)) throw error;
      await control?.('ROLLBACK');
      return false;
    }
  }

  #operation(): Operation {
    const bucket = this.#random.int(0, BUCKETS - 1);
    if (this.#random.next() < 0.4) return ['r', this.#keyOf(bucket), null];
    const length = (this.#lengths[bucket] ?? 0) + 1;
    this.#lengths[bucket] = length;
    if (length >= VALUES_MAX) {
      this.#lengths[bucket] = 0;
      this.#generations[bucket] = (this.#generations[bucket] ?? 0) + 1;
    }
    return ['append', this.#keyOf(bucket), ++this.#lastValue];
  }

  #keyOf(bucket: number): string {
    return String(bucket * BUCKET_KEYS + (this.#generations[bucket] ?? 0));
  }

  #note(event: HistoryEvent): void {
    fs.writeSync(this.#history, `${JSON.stringify(event)}\n`);
  }
}

const ignore = (): void => undefined;

/** Histories have integers. */
function now(): number {
  return Math.round(performance.now() * 1000);
}

function rangeOf(key: string): number {
  return Math.floor(Number(key) / BUCKET_KEYS / (BUCKETS / TABLE_RANGES));
}

export async function connect({ host, sqlPort: port }: ClusterNode): Promise<pg.Client> {
  const client = new pg.Client({
    ...{ host, port, user: 'quorate', database: 'quorate' },
    connectionTimeoutMillis: CONNECT_MAX_MS,
  });
  // The end of a connection is noticed by what is asked next.
  client.on('error', ignore);
  await client.connect();
  return client;
}

async function execute(client: pg.Client, op: Operation): Promise<Operation> {
  const [kind, key, value] = op;
  if (kind !== 'r') {
    await client.query({ ...APPEND, values: [key, String(value)] });
    return op;
  }
  const { rows } = await client.query<{ items: string }>({ ...READ, values: [key] });
  return ['r', key, (rows[0]?.items ?? '').split(',').filter(Boolean).map(Number)];
}
