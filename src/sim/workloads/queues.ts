/**
 * Row locks: counters behind SELECT FOR UPDATE, two rows locked in any order (deadlock rings), and jobs that are taken
 * with SKIP LOCKED. Every acknowledged increment counts once; no job is done twice.
 */
import type { SimClient } from '../client.ts';
import type { Workload, WorkloadContext } from '../workload.ts';

const COUNTERS = 4;

interface Tally {
  /** By counter. */
  readonly sure: number[];
  readonly perhaps: number[];
  readonly jobs: Set<number>;
  lastJob: number;
}

export function queues(): Workload {
  const zeros = (): number[] => Array.from({ length: COUNTERS }, () => 0);
  const tally: Tally = { sure: zeros(), perhaps: zeros(), jobs: new Set(), lastJob: 0 };
  return {
    name: 'queues',
    clients: 6,

    async setUp(client) {
      await client.query('CREATE TABLE counters (id integer PRIMARY KEY, n integer NOT NULL)');
      await client.query('CREATE TABLE jobs (id integer PRIMARY KEY)');
      await client.query(`ALTER TABLE counters SPLIT AT VALUES (${COUNTERS / 2})`);
      for (let id = 0; id < COUNTERS; id++) {
        await client.query(`INSERT INTO counters VALUES (${id}, 0)`);
      }
    },

    async step(client, context) {
      if (context.random.next() < 0.6) await count(client, context, tally);
      else await work(client, context, tally);
    },

    async check(client, { fail }) {
      const rows = await client.query('SELECT n FROM counters ORDER BY id');
      rows.forEach(([n], id) => {
        const sure = tally.sure[id] ?? 0;
        const most = sure + (tally.perhaps[id] ?? 0);
        if (Number(n) < sure || Number(n) > most) {
          fail(`queues: counter ${id} is ${n}, counted ${sure} times and at most ${most}`);
        }
      });
    },
  };
}

async function count(
  client: SimClient,
  { random, pause }: WorkloadContext,
  tally: Tally,
): Promise<void> {
  const first = random.int(0, COUNTERS - 1);
  const ids =
    random.next() < 0.5 ? [first] : [first, (first + random.int(1, COUNTERS - 1)) % COUNTERS];
  const outcome = await client.transaction(async () => {
    for (const id of ids) {
      const rows = await client.query(`SELECT n FROM counters WHERE id = ${id} FOR UPDATE`);
      if (random.next() < 0.2) await pause(random.int(1, 100));
      await client.query(`UPDATE counters SET n = ${Number(rows[0]?.[0]) + 1} WHERE id = ${id}`);
    }
  });
  const counted = outcome.kind === 'ok' ? tally.sure : tally.perhaps;
  if (outcome.kind !== 'fail') for (const id of ids) counted[id] = (counted[id] ?? 0) + 1;
}

async function work(
  client: SimClient,
  { random, fail }: WorkloadContext,
  tally: Tally,
): Promise<void> {
  if (random.next() < 0.5) {
    const job = ++tally.lastJob;
    await client.single(`INSERT INTO jobs VALUES (${job})`);
    return;
  }
  const outcome = await client.transaction(async () => {
    const rows = await client.query(
      'SELECT id FROM jobs ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED',
    );
    const id = rows[0]?.[0];
    if (id !== undefined && id !== null) await client.query(`DELETE FROM jobs WHERE id = ${id}`);
    return id;
  });
  if (outcome.kind !== 'ok' || outcome.value === undefined || outcome.value === null) return;
  const job = Number(outcome.value);
  if (tally.jobs.has(job)) fail(`queues: job ${job} was done twice`);
  tally.jobs.add(job);
}
