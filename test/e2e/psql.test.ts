/**
 * psql against every node of a real cluster. The scripts `psql/*.sql` are compared with what PostgreSQL answers: the
 * `.out` files were recorded from PostgreSQL 15 by `psql -X -a < x.sql > x.out 2>&1`, less the LOCATION lines (where in
 * its own source an error arose). To change a script, record it there again. Ranges and their leaders, which only
 * Quorate has, are at the end.
 */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ProcessCluster } from '../support/process-cluster.ts';
import { findProgram, psql } from '../support/psql.ts';

const SCRIPTS = path.join(import.meta.dirname, 'psql');
const hasPsql = findProgram('psql');

describe.skipIf(!hasPsql)(hasPsql ? 'psql' : 'psql: skipped, it is not installed', () => {
  let cluster: ProcessCluster;
  let dir = '';

  beforeAll(async () => {
    dir = fs.mkdtempSync(path.join(os.tmpdir(), 'quorate-psql-'));
    fs.copyFileSync(path.join(SCRIPTS, 'reading.tsv'), path.join(dir, 'reading.tsv'));
    cluster = await ProcessCluster.start();
  });

  afterAll(async () => {
    await cluster.stop();
    fs.rmSync(dir, { recursive: true, force: true });
  });

  /** Unaligned rows without headings, errors included. */
  const ask = async (node: number, script: string): Promise<string> =>
    (await psql(cluster.node(node), script, { args: ['-A', '-t', '-q'] })).output;

  describe.each([1, 2, 3])('node %i', (id) => {
    it.each(['basics', 'transactions', 'errors', 'copy'])(
      '%s: as PostgreSQL does',
      async (name) => {
        const script = fs.readFileSync(path.join(SCRIPTS, `${name}.sql`), 'utf8');
        const wanted = normal(fs.readFileSync(path.join(SCRIPTS, `${name}.out`), 'utf8'));
        const { output, code } = await psql(cluster.node(id), script, { args: ['-a'], cwd: dir });
        expect(normal(output)).toBe(wanted);
        expect(code).toBe(0);
      },
    );

    it('has the small things that people type', async () => {
      const { sqlPort } = cluster.node(id);
      const script =
        '\\conninfo\n\\timing on\nSELECT 1;\n\\echo :SERVER_VERSION_NUM\n\\q\nSELECT 2;\n';
      const { output, code } = await psql(cluster.node(id), script);
      expect(output).toMatch(new RegExp(`"?quorate"?[\\s\\S]*tester[\\s\\S]*${sqlPort}`));
      expect(output).toMatch(/\(1 row\)\n\nTime: [\d.]+ ms/);
      expect(output).toMatch(/^1[5-9]\d{4}$/m);
      expect(output).not.toContain('2\n');
      expect(code).toBe(0);
    });
  });

  it('ends with an error where psql is told to stop at one', async () => {
    const options = { args: ['-v', 'ON_ERROR_STOP=1', '-A', '-t'] };
    const { output, code } = await psql(cluster.node(1), 'SELECT x;\nSELECT 3;\n', options);
    expect(output).toMatch(/^ERROR: {2}column "x" does not exist\nLINE 1: SELECT x;\n +\^\n$/);
    expect(code).toBe(3);
  });

  it('shows at one node what another has written, at once', async () => {
    expect(await ask(1, 'CREATE TABLE seen (id integer PRIMARY KEY, n integer);')).toBe('');
    for (let round = 0; round < 6; round++) {
      const [writer, reader] = [(round % 3) + 1, ((round + 1) % 3) + 1];
      expect(await ask(writer, `INSERT INTO seen VALUES (${round}, ${writer});`)).toBe('');
      expect(await ask(reader, `SELECT n FROM seen WHERE id = ${round};`)).toBe(`${writer}\n`);
      expect(await ask(reader, 'SELECT count(*) FROM seen;')).toBe(`${round + 1}\n`);
    }
    expect(await ask(2, "ALTER TABLE seen ADD COLUMN more text DEFAULT 'x';")).toBe('');
    expect(await ask(3, 'SELECT more FROM seen WHERE id = 0;')).toBe('x\n');
    expect(await ask(1, 'DROP TABLE seen;')).toBe('');
    expect(await ask(3, 'SELECT 1 FROM seen;')).toContain('relation "seen" does not exist');
  });

  it('splits a table, moves the leaders of its ranges, and writes to all in one transaction', async () => {
    const make = `
      CREATE TABLE spread (id integer PRIMARY KEY, n integer NOT NULL);
      CREATE INDEX spread_n ON spread (n);
      INSERT INTO spread SELECT i, i FROM generate_series(1, 400) AS i;
      ALTER TABLE spread SPLIT AT VALUES (101), (201), (301);
    `;
    expect(await ask(1, make)).toBe('');
    const show = await psql(cluster.node(1), 'SHOW RANGES FROM TABLE spread;', { args: ['-A'] });
    expect(show.output.split('\n')[0]).toBe(
      'range_id|start_key|end_key|leader|replicas|size_bytes|generation',
    );
    const ranges = async (): Promise<string[][]> =>
      (await ask(2, 'SHOW RANGES FROM TABLE spread;'))
        .trim()
        .split('\n')
        .map((line) => line.split('|'));
    const before = await ranges();
    // A range begins at each split point; the first piece may lie in a range with what is left of the table.
    for (const key of ['(101)', '(201)', '(301)']) {
      expect(before.map((range) => range[1])).toContain(key);
    }
    const pieces = before.slice(-4);
    expect(pieces.every((range) => range[4] === '1,2,3')).toBe(true);
    for (const [i, range] of pieces.entries()) {
      const target = (i % 3) + 1;
      const move = `ALTER RANGE ${range[0] ?? ''} TRANSFER LEADER TO ${target};`;
      expect(await ask(3, move)).toBe('');
      await cluster.until(`node ${target} leading the range`, async () =>
        (await ranges()).some((now) => now[0] === range[0] && now[3] === String(target)),
      );
    }
    const leaders = (await ranges()).slice(-4).map((range) => range[3]);
    expect(new Set(leaders)).toEqual(new Set(['1', '2', '3']));
    for (const { id } of cluster.nodes) {
      const transaction = `
        BEGIN;
        UPDATE spread SET n = n + 1000 WHERE id IN (50, 150, 250, 350);
        INSERT INTO spread VALUES (${1000 + id}, 0), (${-id}, 0);
        DELETE FROM spread WHERE id = ${100 * id};
        SELECT sum(n), count(*) FROM spread;
        COMMIT;
        SELECT sum(n), count(*) FROM spread;
      `;
      const deleted = [100, 300, 600][id - 1] ?? 0;
      const line = `${80200 + 4000 * id - deleted}|${400 + id}\n`;
      expect(await ask(id, transaction)).toBe(line + line);
      expect(await ask((id % 3) + 1, 'BEGIN; UPDATE spread SET n = 0; ROLLBACK;')).toBe('');
      expect(await ask((id % 3) + 1, 'SELECT sum(n), count(*) FROM spread;')).toBe(line);
      const byIndex = 'SELECT id FROM spread WHERE n > 1000 ORDER BY n;';
      expect(await ask(id, byIndex)).toBe('50\n150\n250\n350\n');
    }
    expect(await ask(1, 'SELECT id FROM spread WHERE id BETWEEN 99 AND 102 ORDER BY id;')).toBe(
      '99\n101\n102\n',
    );
  });

  it('refuses ranges and nodes that there are not', async () => {
    expect(await ask(1, 'ALTER RANGE 999999 TRANSFER LEADER TO 1;')).toBe(
      'ERROR:  range 999999 does not exist\n',
    );
    expect(await ask(1, 'ALTER RANGE 1 TRANSFER LEADER TO 9;')).toBe(
      'ERROR:  node 9 has no replica of range 1\n',
    );
    expect(await ask(1, 'ALTER RANGE 0 TRANSFER LEADER TO 0;')).toContain('numbered from 1');
    expect(await ask(1, 'SHOW RANGES FROM TABLE nowhere;')).toContain('does not exist');
    expect(await ask(1, 'SELECT 1;')).toBe('1\n');
  });
});

/** PostgreSQL shows the line of a COPY error where it has it at hand, Quorate its number. */
function normal(output: string): string {
  return output.replaceAll(/^(CONTEXT: {2}COPY \w+, line \d+): ".*"$/gm, '$1');
}
