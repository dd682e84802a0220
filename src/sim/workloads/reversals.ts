/**
 * Lists in several ranges, and clients that think in the middle of what they do. Some appends have their list read by
 * others, by single statements at whichever node they are, right before their COMMIT; snapshots are taken early and read
 * late. An append that gets a timestamp below what was acknowledged before its list was last read shows as a causal
 * reversal in such a snapshot; one that is decided in two ways, because its COMMIT took long, as half an append.
 */
import type { Operation } from '../../check/history.ts';
import type { SimClient } from '../client.ts';
import { mapOutcome } from '../client.ts';
import type { Workload, WorkloadContext } from '../workload.ts';

const KEYS = 24;
const KEYS_PER_RANGE = 6;
const THINK_MAX_MS = 300;
/** How long a reader waits to be called, and an append for a reader. */
const CALL_MAX_MS = 400;

interface Reader {
  readonly node: number;
  /** Reads a list. */
  readonly read: (key: number) => Promise<void>;
}

export function reversals(): Workload {
  const readers = new Set<Reader>();
  return {
    name: 'reversals',
    clients: 48,

    async setUp(client) {
      await client.query('CREATE TABLE reversals (key integer PRIMARY KEY, items text NOT NULL)');
      for (let key = KEYS_PER_RANGE; key < KEYS; key += KEYS_PER_RANGE) {
        await client.query(`ALTER TABLE reversals SPLIT AT VALUES (${key})`);
      }
      for (let key = 0; key < KEYS; key++) {
        await client.query(`INSERT INTO reversals VALUES (${key}, '')`);
      }
    },

    async step(client, context) {
      const kind = context.random.next();
      if (kind < 0.35) await readWhenCalled(client, context, readers);
      else if (kind < 0.55) await appendOne(client, context);
      else if (kind < 0.8) await appendSlowly(client, context, readers);
      else await readLate(client, context);
    },
  };
}

type Rows = readonly (readonly (string | null)[])[];

const named = (key: number): string => `reversal ${key}`;
const appendText = (key: number, item: number): string =>
  `UPDATE reversals SET items = items || ',${item}' WHERE key = ${key}`;
const seen = (rows: Rows): Operation[] =>
  rows.map(([key, items]) => [
    'r',
    named(Number(key)),
    (items ?? '').split(',').filter(Boolean).map(Number),
  ]);

/** By a single statement, which a leader answers alone. */
async function readOne(
  client: SimClient,
  { history }: WorkloadContext,
  key: number,
): Promise<void> {
  await history.run([['r', named(key), null]], async () => {
    const found = await client.single(`SELECT key, items FROM reversals WHERE key = ${key}`);
    return mapOutcome(found, ({ rows }) => seen(rows));
  });
}

async function readWhenCalled(
  client: SimClient,
  context: WorkloadContext,
  readers: Set<Reader>,
): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const read = (key: number): Promise<void> => {
      readers.delete(reader);
      const reading = readOne(client, context, key);
      reading.then(resolve, reject);
      return reading.catch(() => undefined);
    };
    const reader: Reader = { node: client.node, read };
    readers.add(reader);
    void context.pause(CALL_MAX_MS).then(() => {
      if (readers.delete(reader)) resolve();
    });
  });
}

async function appendOne(client: SimClient, { random, history }: WorkloadContext): Promise<void> {
  const key = random.int(0, KEYS - 1);
  const item = history.value();
  const op: Operation = ['append', named(key), item];
  await history.run([op], async () =>
    mapOutcome(await client.single(appendText(key, item)), () => [op]),
  );
}

/** To one list or two, in the order of their keys, so that nobody waits in a circle. */
async function appendSlowly(
  client: SimClient,
  { random, history, pause }: WorkloadContext,
  readers: Set<Reader>,
): Promise<void> {
  const drawn = Array.from({ length: random.int(1, 2) }, () => random.int(0, KEYS - 1));
  const keys = [...new Set(drawn)].sort((a, b) => a - b);
  const plan = keys.map((key) => ({ key, item: history.value() }));
  const ops = plan.map(({ key, item }): Operation => ['append', named(key), item]);
  await history.run(ops, () =>
    client.transaction(async () => {
      for (const { key, item } of plan) await client.query(appendText(key, item));
      await pause(random.int(1, THINK_MAX_MS));
      const reader = [...readers].find(({ node }) => node === client.node);
      const read = reader?.read(keys[0] ?? 0);
      if (read !== undefined) await Promise.race([read, pause(CALL_MAX_MS)]);
      return ops;
    }),
  );
}

/** The snapshot is taken at BEGIN. */
async function readLate(
  client: SimClient,
  { random, history, pause }: WorkloadContext,
): Promise<void> {
  const plan = Array.from({ length: KEYS }, (_, key): Operation => ['r', named(key), null]);
  await history.run(plan, () =>
    client.transaction(async () => {
      await pause(random.int(1, THINK_MAX_MS));
      return seen(await client.query('SELECT key, items FROM reversals ORDER BY key'));
    }),
  );
}
