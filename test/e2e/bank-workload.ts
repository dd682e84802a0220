/**
 * Clients of a bank, at every node, for as long as a test wants: they move money between accounts that lie in several
 * ranges, and with each transfer append a row with an id of their own to a history. They write down what became of each
 * id: acknowledged, failed (an error says that it was not committed, or COMMIT was never sent), or unknown (the
 * connection was lost after COMMIT was sent, or 40003). `verify` compares that with the tables.
 *
 * Beside them observers look at the whole bank all the time: the sum never changes, and what was acknowledged
 * anywhere before a question was asked, at any node, is in the answer.
 *
 * The history's key has a column that every attempt fills anew, so that a transfer done twice is seen as two rows.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { WireClient } from '../../src/client/wire-client.ts';
import type { ProcessCluster } from '../support/process-cluster.ts';
import { answered } from '../support/process-cluster.ts';

const ACCOUNTS = 40;
const BALANCE = 1000;
const IDS_PER_WORKER = 1_000_000;
const WORKERS_PER_NODE = 3;
const RECONNECT_MS = 50;
const CONNECT_MAX_MS = 20_000;
/** What a cluster that loses nodes may answer; anything else is a bug. */
const EXPECTED_ERRORS = new Set(['40001', '40P01', '40003', '58000', '57P01', '57P03']);
/** Errors after which COMMIT may still have taken effect. */
const UNKNOWN_OUTCOMES = new Set(['40003', '57P01']);

interface Transfer {
  readonly id: number;
  readonly source: number;
  readonly target: number;
  readonly amount: number;
}

/** An answer that no failure explains. */
class Surprise extends Error {}

interface Attempt {
  /** Set before the message with COMMIT is sent. */
  isCommitSent: boolean;
}

export interface VerifyResult {
  readonly lost: readonly number[];
  readonly doubled: readonly number[];
  readonly uncommitted: readonly number[];
  readonly wrongAccounts: readonly string[];
}

export class BankWorkload {
  readonly #cluster: ProcessCluster;
  readonly #acknowledged = new Map<number, Transfer>();
  readonly #failed = new Set<number>();
  readonly #unknown = new Set<number>();
  /** What can never happen, in words. */
  readonly violations: string[] = [];
  readonly #acksByNode = new Map<number, number>();
  readonly #readsByNode = new Map<number, number>();
  readonly #clients = new Set<WireClient>();
  #lastAcknowledged: Transfer | undefined;
  #runs: Promise<void>[] = [];
  #isStopping = false;

  constructor(cluster: ProcessCluster) {
    this.#cluster = cluster;
  }

  /** Tables in several ranges, their leaders spread over the nodes. */
  async setUp(): Promise<void> {
    const client = await this.#cluster.connect(1);
    await client.query(`
      CREATE TABLE account (id integer PRIMARY KEY, balance integer NOT NULL);
      CREATE TABLE history (
        id integer, line serial, source integer NOT NULL, target integer NOT NULL,
        amount integer NOT NULL, PRIMARY KEY (id, line)
      );
    `);
    await client.query(
      `INSERT INTO account SELECT i, ${BALANCE} FROM generate_series(1, ${ACCOUNTS}) AS i`,
    );
    await client.query('ALTER TABLE account SPLIT AT VALUES (11), (21), (31)');
    const workers = WORKERS_PER_NODE * this.#cluster.nodes.length;
    for (const share of [0.3, 0.6]) {
      const id = Math.floor(workers * share) * IDS_PER_WORKER;
      await client.query(`ALTER TABLE history SPLIT AT VALUES (${id})`);
    }
    const { nodes } = this.#cluster;
    for (const [i, range] of (await this.ranges(client)).entries()) {
      const to = nodes[i % nodes.length]?.id ?? 1;
      if (range.leader !== to) {
        await client.query(`ALTER RANGE ${range.rangeId} TRANSFER LEADER TO ${to}`);
      }
    }
    client.close();
  }

  async ranges(client: WireClient): Promise<{ rangeId: number; leader: number }[]> {
    const ranges: { rangeId: number; leader: number }[] = [];
    for (const table of ['account', 'history']) {
      const [result] = await client.query(`SHOW RANGES FROM TABLE ${table}`);
      for (const row of result?.rows ?? []) {
        const [rangeId, leader] = [Number(row[0]), Number(row[3])];
        if (!ranges.some((each) => each.rangeId === rangeId)) ranges.push({ rangeId, leader });
      }
    }
    return ranges;
  }

  start(): void {
    const { nodes } = this.#cluster;
    for (const [i, { id }] of nodes.entries()) {
      for (let k = 0; k < WORKERS_PER_NODE; k++) {
        this.#runs.push(this.#work(id, i * WORKERS_PER_NODE + k));
      }
      this.#runs.push(this.#observe(id));
    }
  }

  /** Resolves once every client has finished what it was doing. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    await answered('the last statements of the workload', Promise.all(this.#runs));
    for (const client of this.#clients) client.destroy();
  }

  get counts(): Readonly<Record<'acknowledged' | 'failed' | 'unknown', number>> {
    return {
      acknowledged: this.#acknowledged.size,
      failed: this.#failed.size,
      unknown: this.#unknown.size,
    };
  }

  /** Resolves once each of the nodes has acknowledged `count` more transfers, and answered an observer. */
  async progress(count: number, ...ids: number[]): Promise<void> {
    const marks = ids.map((id) => {
      const [acks, reads] = [this.#acksByNode.get(id) ?? 0, this.#readsByNode.get(id) ?? 0];
      return { id, acks: acks + count, reads: reads + 2 };
    });
    for (const { id, acks, reads } of marks) {
      await this.#cluster.until(`${count} transfers at node ${id}`, () => {
        // What can never happen ends the wait, too.
        if (this.violations.length > 0) return true;
        const isServing = (this.#acksByNode.get(id) ?? 0) >= acks;
        return isServing && (this.#readsByNode.get(id) ?? 0) >= reads;
      });
    }
  }

  /** Compares what the clients know with the tables as a node shows them. */
  async verify(nodeId: number): Promise<VerifyResult> {
    const client = await this.#cluster.connect(nodeId);
    const [history] = await client.query('SELECT id, source, target, amount FROM history');
    const [accounts] = await client.query('SELECT id, balance FROM account ORDER BY id');
    client.close();
    const seen = new Map<number, number>();
    const balances = new Map<number, number>();
    for (let id = 1; id <= ACCOUNTS; id++) balances.set(id, BALANCE);
    const uncommitted: number[] = [];
    for (const row of history?.rows ?? []) {
      const [id = 0, source = 0, target = 0, amount = 0] = row.map(Number);
      seen.set(id, (seen.get(id) ?? 0) + 1);
      if (!this.#acknowledged.has(id) && !this.#unknown.has(id)) uncommitted.push(id);
      balances.set(source, (balances.get(source) ?? 0) - amount);
      balances.set(target, (balances.get(target) ?? 0) + amount);
    }
    const wanted = [...balances].map(([id, balance]) => `${id}: ${balance}`);
    const found = (accounts?.rows ?? []).map(([id, balance]) => `${id ?? ''}: ${balance ?? ''}`);
    return {
      lost: [...this.#acknowledged.keys()].filter((id) => !seen.has(id)),
      doubled: [...seen].filter(([, count]) => count > 1).map(([id]) => id),
      uncommitted,
      wrongAccounts: wanted.flatMap((line, i) =>
        line === found[i] ? [] : [`${line} by its history, but ${found[i] ?? 'missing'}`],
      ),
    };
  }

  async #work(nodeId: number, worker: number): Promise<void> {
    let client: WireClient | undefined;
    for (let n = 1; !this.#isStopping; n++) {
      client ??= await this.#connect(nodeId);
      if (client === undefined) continue;
      const id = worker * IDS_PER_WORKER + n;
      const transfer = { id, ...transferOf(id) };
      const attempt: Attempt = { isCommitSent: false };
      try {
        await STYLES[n % STYLES.length]?.(client, transfer, attempt);
        this.#acknowledged.set(id, transfer);
        this.#lastAcknowledged = transfer;
        this.#acksByNode.set(nodeId, (this.#acksByNode.get(nodeId) ?? 0) + 1);
      } catch (error) {
        const code = sqlStateOf(error);
        this.#checkError(error, `transfer ${id} at node ${nodeId}`);
        const isUnknown = code === undefined || UNKNOWN_OUTCOMES.has(code);
        (attempt.isCommitSent && isUnknown ? this.#unknown : this.#failed).add(id);
        client = await this.#afterError(client, code);
      }
    }
    client?.close();
  }

  async #observe(nodeId: number): Promise<void> {
    let client: WireClient | undefined;
    while (!this.#isStopping) {
      client ??= await this.#connect(nodeId);
      if (client === undefined) continue;
      // Read before the question is asked: whatever was acknowledged until now has to be seen.
      const transfer = this.#lastAcknowledged;
      try {
        const [sum] = await client.query('SELECT sum(balance), count(*) FROM account');
        const row = sum?.rows[0]?.join(', ');
        if (row !== `${ACCOUNTS * BALANCE}, ${ACCOUNTS}`) {
          this.violations.push(`node ${nodeId} saw ${row ?? 'nothing'} as sum and count`);
        }
        if (transfer !== undefined) await this.#lookFor(client, nodeId, transfer);
        this.#readsByNode.set(nodeId, (this.#readsByNode.get(nodeId) ?? 0) + 1);
      } catch (error) {
        this.#checkError(error, `a read at node ${nodeId}`);
        client = await this.#afterError(client, sqlStateOf(error));
      }
    }
    client?.close();
  }

  async #lookFor(client: WireClient, nodeId: number, { id }: Transfer): Promise<void> {
    const { rows } = await client.execute('SELECT amount FROM history WHERE id = $1', [String(id)]);
    if (rows.length !== 1) {
      this.violations.push(`node ${nodeId} saw ${rows.length} rows of acknowledged transfer ${id}`);
    }
  }

  /** Undefined when the node is down, after a pause. */
  async #connect(nodeId: number): Promise<WireClient | undefined> {
    try {
      const { host, sqlPort: port } = this.#cluster.node(nodeId);
      const client = await WireClient.connect({
        ...{ host, port, user: 'tester', database: 'quorate', timeoutMs: CONNECT_MAX_MS },
      });
      this.#clients.add(client);
      return client;
    } catch (error) {
      this.#checkError(error, `connecting to node ${nodeId}`);
      await pause(RECONNECT_MS);
      return undefined;
    }
  }

  /** The connection in a fresh state, or undefined when it is lost. */
  async #afterError(client: WireClient, code: string | undefined): Promise<WireClient | undefined> {
    try {
      if (code !== undefined && code !== '57P01') {
        await client.query('ROLLBACK');
        return client;
      }
    } catch {
      // Lost after all.
    }
    client.destroy();
    this.#clients.delete(client);
    return undefined;
  }

  #checkError(error: unknown, what: string): void {
    const code = sqlStateOf(error);
    const isExpected =
      code === undefined ? !(error instanceof Surprise) : EXPECTED_ERRORS.has(code);
    if (!isExpected) this.violations.push(`${what}: ${code ?? ''} ${(error as Error).message}`);
  }
}

/** Undefined for a lost connection: it has no SQLSTATE. */
export function sqlStateOf(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | undefined)?.code;
  return typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) ? code : undefined;
}

/** Scattered over the accounts by the id alone, so that a run of ids touches every pair of ranges. */
function transferOf(id: number): Omit<Transfer, 'id'> {
  const mixed = Math.imul(id, 0x9e3779b1) >>> 0;
  const source = (mixed % ACCOUNTS) + 1;
  const step = (Math.floor(mixed / ACCOUNTS) % (ACCOUNTS - 1)) + 1;
  const target = ((source - 1 + step) % ACCOUNTS) + 1;
  return { source, target, amount: (mixed % 7) + 1 };
}

type Style = (client: WireClient, transfer: Transfer, attempt: Attempt) => Promise<void>;

async function commit(client: WireClient, attempt: Attempt): Promise<void> {
  attempt.isCommitSent = true;
  const [result] = await client.query('COMMIT');
  if (result?.tag !== 'COMMIT') throw new Surprise(`COMMIT answered ${result?.tag ?? 'nothing'}`);
}

const insertion = ({ id, source, target, amount }: Transfer): string =>
  `INSERT INTO history (id, source, target, amount) VALUES (${id}, ${source}, ${target}, ${amount})`;

/** A statement at a time, the arithmetic in the database. */
const interactive: Style = async (client, transfer, attempt) => {
  const { source, target, amount } = transfer;
  await client.query('BEGIN');
  await client.query(`UPDATE account SET balance = balance - ${amount} WHERE id = ${source}`);
  await client.query(`UPDATE account SET balance = balance + ${amount} WHERE id = ${target}`);
  await client.query(insertion(transfer));
  await commit(client, attempt);
};

/** The arithmetic in the client: what was read must still hold when it is written. */
const readThenWrite: Style = async (client, transfer, attempt) => {
  const { source, target, amount } = transfer;
  await client.query('BEGIN');
  const read = 'SELECT balance FROM account WHERE id = $1';
  const write = 'UPDATE account SET balance = $2 WHERE id = $1';
  for (const [id, change] of [
    [source, -amount],
    [target, amount],
  ] as const) {
    const { rows } = await client.execute(read, [String(id)]);
    await client.execute(write, [String(id), String(Number(rows[0]?.[0]) + change)]);
  }
  await client.query(insertion(transfer));
  await commit(client, attempt);
};

/** Everything in one message. */
const atOnce: Style = async (client, transfer, attempt) => {
  const { source, target, amount } = transfer;
  attempt.isCommitSent = true;
  const results = await client.query(`
    BEGIN;
    ${insertion(transfer)};
    UPDATE account SET balance = balance + CASE id WHEN ${source} THEN -${amount} ELSE ${amount} END
      WHERE id IN (${source}, ${target});
    COMMIT;
  `);
  const tags = results.map((result) => result.tag).join(', ');
  if (tags !== 'BEGIN, INSERT 0 1, UPDATE 2, COMMIT')
    throw new Surprise(`unexpected tags: ${tags}`);
};

const STYLES: readonly Style[] = [interactive, readThenWrite, atOnce];
