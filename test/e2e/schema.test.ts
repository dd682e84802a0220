/**
 * Schema changes at one node while clients of the others go on with what they know: nobody writes by an old schema, and
 * nobody sees an error that a single server would not have given. Also where a node slept through the change.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { WireClient } from '../../src/client/wire-client.ts';
import { ProcessCluster } from '../support/process-cluster.ts';

describe('schema changes', () => {
  let cluster: ProcessCluster;
  let here: WireClient;
  let there: WireClient;

  beforeAll(async () => {
    cluster = await ProcessCluster.start();
    [here, there] = [await cluster.connect(1), await cluster.connect(3)];
  });

  afterAll(() => cluster.stop());

  const rows = async (client: WireClient, text: string): Promise<unknown> =>
    (await client.query(text)).at(-1)?.rows;

  it('are known at once to writers that read nothing', async () => {
    await here.query('CREATE TABLE log (n integer)');
    const insert = 'INSERT INTO log VALUES ($1)';
    for (let round = 1; round <= 3; round++) {
      await there.execute(insert, ['1']);
      await here.query('TRUNCATE log');
      await there.execute(insert, ['2']);
      expect(await rows(here, 'SELECT n FROM log')).toEqual([['2']]);
      await here.query(`CREATE INDEX log_${round} ON log (n)`);
      await there.execute(insert, ['3']);
      expect(await rows(here, 'SELECT n FROM log WHERE n = 3')).toEqual([['3']]);
      await here.query(`DROP INDEX log_${round}`);
      await there.execute('DELETE FROM log WHERE n <> $1', ['2']);
      expect(await rows(here, 'SELECT n FROM log')).toEqual([['2']]);
    }
  });

  it('are known at once to readers that know the columns', async () => {
    await here.query(
      "CREATE TABLE wide (id integer PRIMARY KEY, a text); INSERT INTO wide VALUES (1, 'a')",
    );
    const read = 'SELECT * FROM wide WHERE id = $1';
    expect((await there.execute(read, ['1'])).columns).toEqual(['id', 'a']);
    await here.query("ALTER TABLE wide ADD COLUMN b text DEFAULT 'b'");
    expect(await there.execute(read, ['1'])).toMatchObject({
      ...{ columns: ['id', 'a', 'b'], rows: [['1', 'a', 'b']] },
    });
    await here.query('ALTER TABLE wide DROP COLUMN a');
    expect(await there.execute(read, ['1'])).toMatchObject({
      ...{ columns: ['id', 'b'], rows: [['1', 'b']] },
    });
    await here.query(
      'ALTER TABLE wide RENAME TO narrow; CREATE TABLE wide (id integer PRIMARY KEY)',
    );
    expect(await there.execute(read, ['1'])).toMatchObject({ columns: ['id'], rows: [] });
    await here.query('DROP TABLE wide, narrow');
    await expect(there.execute(read, ['1'])).rejects.toMatchObject({ code: '42P01' });
  });

  it('under an open transaction let only one of the two commit', async () => {
    await here.query('CREATE TABLE open (n integer)');
    await there.query('BEGIN; INSERT INTO open VALUES (1)');
    await here.query('ALTER TABLE open ADD COLUMN m integer');
    await expect(there.query('COMMIT')).rejects.toMatchObject({ code: '40001' });
    expect(await rows(there, 'SELECT * FROM open')).toEqual([]);
    await there.query('BEGIN; INSERT INTO open VALUES (1, 2)');
    await here.query('TRUNCATE open');
    await expect(there.query('COMMIT')).rejects.toMatchObject({ code: '40001' });
    expect(await rows(here, 'SELECT count(*) FROM open')).toEqual([['0']]);
  });

  it('are found out by a node that slept through them', async () => {
    const asleep = await cluster.connect(2);
    await here.query('CREATE TABLE slept (n integer)');
    await asleep.execute('INSERT INTO slept VALUES ($1)', ['1']);
    await asleep.execute('SELECT * FROM slept', []);
    cluster.signal(2, 'SIGSTOP');
    // The change needs the leaders that the others have agreed on meanwhile.
    await cluster.until('the change', async () => {
      try {
        await here.query('TRUNCATE slept; ALTER TABLE slept ADD COLUMN IF NOT EXISTS m integer');
        return true;
      } catch (error) {
        expect((error as { code?: string }).code).toMatch(/^(58000|40001|40003)$/);
        return false;
      }
    });
    cluster.signal(2, 'SIGCONT');
    await cluster.until('a write of the node', async () => {
      try {
        await asleep.query('INSERT INTO slept VALUES (2)');
        return true;
      } catch (error) {
        expect((error as { code?: string }).code).toMatch(/^(58000|40001|40003)$/);
        return false;
      }
    });
    expect(await rows(here, 'SELECT DISTINCT n, m FROM slept')).toEqual([['2', null]]);
    asleep.close();
  });
});
