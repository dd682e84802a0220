/**
 * Conditions over several rows that each transaction keeps if it is alone: of each shift one doctor stays on call
 * (write skew), a show sells three seats at most (phantoms), a name is taken once (unique index).
 */
import type { SimClient } from '../client.ts';
import type { Workload, WorkloadContext } from '../workload.ts';

const SHIFTS = 3;
const DOCTORS = 3;
const SHOWS = 3;
const SEATS_MAX = 3;
const NAMES = 4;

export function skew(): Workload {
  /** Who holds a name for certain, since its INSERT was acknowledged and until it is given back. */
  const holders = new Map<string, number>();
  let lastOwner = 0;
  return {
    name: 'skew',
    clients: 5,

    async setUp(client) {
      await client.query(
        'CREATE TABLE doctors (shift integer, id integer, on_call boolean NOT NULL, PRIMARY KEY (shift, id))',
      );
      await client.query(
        'CREATE TABLE seats (show integer, seat integer, PRIMARY KEY (show, seat))',
      );
      await client.query('CREATE TABLE names (owner integer PRIMARY KEY, name text UNIQUE)');
      await client.query('ALTER TABLE doctors SPLIT AT VALUES (1, 1)');
      await client.query('ALTER TABLE seats SPLIT AT VALUES (1, 5)');
      for (let shift = 0; shift < SHIFTS; shift++) {
        for (let id = 0; id < DOCTORS; id++) {
          await client.query(`INSERT INTO doctors VALUES (${shift}, ${id}, true)`);
        }
      }
    },

    splits: (random) => [`ALTER TABLE seats SPLIT AT VALUES (${random.int(0, SHOWS)}, 4)`],

    async step(client, context) {
      const kind = context.random.next();
      if (kind < 0.4) await callOff(client, context);
      else if (kind < 0.7) await sell(client, context);
      else await takeName(client, context, holders, ++lastOwner);
    },

    check: (client, context) => agree(client, context),
  };
}

async function callOff(client: SimClient, { random, fail }: WorkloadContext): Promise<void> {
  const shift = random.int(0, SHIFTS - 1);
  const id = random.int(0, DOCTORS - 1);
  const outcome = await client.transaction(async () => {
    const rows = await client.query(
      `SELECT id FROM doctors WHERE shift = ${shift} AND on_call ORDER BY id`,
    );
    const mayGo = rows.length > 1 && rows.some(([doctor]) => Number(doctor) === id);
    await client.query(
      `UPDATE doctors SET on_call = ${!mayGo} WHERE shift = ${shift} AND id = ${id}`,
    );
    return rows.length;
  });
  if (outcome.kind === 'ok' && outcome.value === 0)
    fail(`skew: nobody is on call in shift ${shift}`);
}

async function sell(client: SimClient, { random, fail }: WorkloadContext): Promise<void> {
  const show = random.int(0, SHOWS - 1);
  const seat = random.int(0, 9);
  const outcome = await client.transaction(async () => {
    const rows = await client.query(`SELECT seat FROM seats WHERE show = ${show}`);
    const [first] = rows;
    if (rows.length < SEATS_MAX) await client.query(`INSERT INTO seats VALUES (${show}, ${seat})`);
    else if (first !== undefined) {
      await client.query(`DELETE FROM seats WHERE show = ${show} AND seat = ${first[0]}`);
    }
    return rows.length;
  }, ['23505']);
  if (outcome.kind === 'ok' && outcome.value > SEATS_MAX) {
    fail(`skew: ${outcome.value} seats are sold for show ${show}`);
  }
}

async function takeName(
  client: SimClient,
  { random, pause, fail }: WorkloadContext,
  holders: Map<string, number>,
  owner: number,
): Promise<void> {
  const name = `n${random.int(0, NAMES - 1)}`;
  const holder = holders.get(name);
  const taken = await client.single(`INSERT INTO names VALUES (${owner}, '${name}')`, ['23505']);
  if (taken.kind !== 'ok') {
    // It may be there all the same, and would be in the way for ever.
    if (taken.kind === 'unknown') holders.delete(name);
    return;
  }
  // Held by another before this one asked, and ever since.
  if (holder !== undefined && holders.get(name) === holder) {
    fail(`skew: the name ${name} was taken by ${owner} while ${holder} had it`);
  }
  holders.set(name, owner);
  await pause(random.int(1, 300));
  holders.delete(name);
  const gaveBack = await client.single(`DELETE FROM names WHERE owner = ${owner}`);
  if (gaveBack.kind === 'ok' && gaveBack.value.tag !== 'DELETE 1') {
    fail(`skew: the name ${name} that ${owner} had taken was gone`);
  }
}

/** The index says what the table says. */
async function agree(client: SimClient, { fail }: WorkloadContext): Promise<void> {
  const rows = await client.query('SELECT owner, name FROM names');
  const names = new Set(rows.map(([, name]) => name));
  if (names.size !== rows.length) fail('skew: a name is there twice');
  for (const [owner, name] of rows) {
    const found = await client.query(`SELECT owner FROM names WHERE name = '${name}'`);
    if (found.length !== 1 || found[0]?.[0] !== owner) {
      fail(`skew: by its index the name ${name} is ${JSON.stringify(found)}, not of ${owner}`);
    }
  }
}
