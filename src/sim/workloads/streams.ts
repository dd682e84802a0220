/**
 * Updates of one row each that a client sends one behind the other without waiting for answers, beside others that lock
 * some of the rows, and reads of one row each, sent so as well, the last row first: one that has to wait must not be passed by those behind it (TXN-15). Whoever has seen a change and
 * not one that was sent before it has seen that this one will never be; each is there if it was acknowledged, and not if
 * it was refused.
 */
import type { SimClient } from '../client.ts';
import type { Workload, WorkloadContext } from '../workload.ts';

const ROWS = 8;
const POSITIONS = Array.from({ length: ROWS }, (_, pos) => pos);
const HOLD_MAX_MS = 60;
const CHANGE = {
  name: 'change',
  text: 'UPDATE streams SET value = 1 WHERE stream = $1 AND pos = $2',
};
const READ = { name: 'read', text: 'SELECT value FROM streams WHERE stream = $1 AND pos = $2' };

/** Changes of a stream that were there at a time, and those that were not; of others nothing is known. */
interface Sight {
  readonly stream: number;
  readonly there: ReadonlySet<number>;
  readonly missing: readonly number[];
}

interface Ledger {
  /** Of changes, by stream and position. */
  readonly acknowledged: Set<string>;
  readonly refused: Set<string>;
  /** What was seen of a stream at a time. */
  readonly seen: Sight[];
  last: number;
}

export function streams(): Workload {
  const ledger: Ledger = { acknowledged: new Set(), refused: new Set(), seen: [], last: 0 };
  return {
    name: 'streams',
    clients: 10,

    async setUp(client) {
      await client.query(
        'CREATE TABLE streams (stream integer, pos integer, value integer, PRIMARY KEY (stream, pos))',
      );
    },

    splits: (random) => [
      `ALTER TABLE streams SPLIT AT VALUES (${ledger.last + random.int(0, 3)}, ${random.int(0, ROWS - 1)})`,
    ],

    async step(client, context) {
      const drawn = context.random.next();
      if (drawn < 0.3) await send(client, ledger);
      else if (drawn < 0.6) await lock(client, context, ledger.last);
      else if (drawn < 0.8) await look(client, ledger);
      else await lookAtEach(client, ledger);
    },

    check: (client, context) => judge(client, context, ledger),
  };
}

async function send(client: SimClient, ledger: Ledger): Promise<void> {
  const stream = ledger.last + 1;
  const rows = POSITIONS.map((pos) => `(${stream}, ${pos}, 0)`);
  const made = await client.single(`INSERT INTO streams VALUES ${rows.join(', ')}`, ['23505']);
  if (made.kind !== 'ok') return;
  ledger.last = Math.max(ledger.last, stream);
  const outcomes = await client.pipeline(
    CHANGE,
    POSITIONS.map((pos) => [stream, pos]),
  );
  outcomes.forEach(({ kind }, pos) => {
    if (kind === 'ok') ledger.acknowledged.add(`${stream} ${pos}`);
    if (kind === 'fail') ledger.refused.add(`${stream} ${pos}`);
  });
}

async function lock(
  client: SimClient,
  { random, pause }: WorkloadContext,
  last: number,
): Promise<void> {
  const stream = last + random.int(0, 1);
  const row = `stream = ${stream} AND pos = ${random.int(0, ROWS - 1)}`;
  await client.transaction(async () => {
    await client.query(`SELECT value FROM streams WHERE ${row} FOR UPDATE`);
    await pause(random.int(0, HOLD_MAX_MS));
  });
}

async function look(client: SimClient, { seen, last }: Ledger): Promise<void> {
  const found = await client.single(
    `SELECT stream, pos FROM streams WHERE stream >= ${last - 1} AND value = 1`,
  );
  if (found.kind !== 'ok') return;
  for (const [stream, there] of byStream(found.value.rows)) {
    seen.push({ stream, there, missing: POSITIONS.filter((pos) => !there.has(pos)) });
  }
}

async function lookAtEach(client: SimClient, { seen, last }: Ledger): Promise<void> {
  const order = POSITIONS.toReversed();
  const found = await client.pipeline(
    READ,
    order.map((pos) => [last, pos]),
  );
  const positionsWith = (value: string): number[] =>
    order.filter((_, i) => {
      const outcome = found[i];
      return outcome?.kind === 'ok' && outcome.value.rows[0]?.[0] === value;
    });
  seen.push({ stream: last, there: new Set(positionsWith('1')), missing: positionsWith('0') });
}

async function judge(
  client: SimClient,
  { fail }: WorkloadContext,
  { acknowledged, refused, seen }: Ledger,
): Promise<void> {
  const rows = await client.query('SELECT stream, pos FROM streams WHERE value = 1');
  const done = byStream(rows);
  const isDone = (stream: number, pos: number): boolean => done.get(stream)?.has(pos) === true;
  for (const [what, isThere] of [
    [acknowledged, true],
    [refused, false],
  ] as const) {
    for (const name of what) {
      const [stream = 0, pos = 0] = name.split(' ').map(Number);
      if (isDone(stream, pos) === isThere) continue;
      fail(
        `streams: change ${name} was ${isThere ? 'acknowledged, and is missing' : 'refused, and is there'}`,
      );
    }
  }
  for (const { stream, there, missing } of seen) {
    const last = Math.max(-1, ...there);
    const late = missing.find((pos) => pos < last && isDone(stream, pos));
    if (late === undefined) continue;
    fail(`streams: of stream ${stream}, change ${last} was there before change ${late}`);
  }
}

function byStream(rows: readonly (readonly (string | null)[])[]): Map<number, Set<number>> {
  const found = new Map<number, Set<number>>();
  for (const [stream, pos] of rows) {
    const positions = found.get(Number(stream)) ?? new Set();
    found.set(Number(stream), positions.add(Number(pos)));
  }
  return found;
}
