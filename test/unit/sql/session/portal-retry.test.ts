/** A statement of the extended protocol that loses at its commit is run again from the start, unseen. */
import { expect, it } from 'vitest';
import { KvError } from '../../../../src/kv/kv-errors.ts';
import { CollectingSink } from '../../../../src/sim/collecting-sink.ts';
import type { Harness } from '../../../support/sql-harness.ts';
import { makeHarness } from '../../../support/sql-harness.ts';

/** The next transactions with writes lose at their commit. */
function failCommits(harness: Harness, count: number): void {
  const { kv } = harness;
  const begin = kv.begin.bind(kv);
  let left = count;
  kv.begin = (options) => {
    const txn = begin(options);
    const commit = txn.commit.bind(txn);
    txn.commit = () => {
      if (!txn.hasWrites || left-- <= 0) return commit();
      txn.rollback();
      throw new KvError('conflict', 'another transaction has changed what this one has read');
    };
    return txn;
  };
}

it.each([
  ['INSERT INTO t VALUES (1) RETURNING id', 'INSERT 0 1', [['1']]],
  ['INSERT INTO t VALUES (1)', 'INSERT 0 1', []],
])('%s', async (text, tag, rows) => {
  const harness = makeHarness();
  const session = await harness.open();
  const sink = new CollectingSink(() => session.format());
  await session.simpleQuery('CREATE TABLE t (id int PRIMARY KEY)', sink);
  failCommits(harness, 3);
  sink.results.length = 0;
  await session.parse('', text, []);
  await session.bind('', '', []);
  sink.useColumns(await session.describePortal(''));
  await session.execute('', 0, true, sink);
  expect(sink.results).toMatchObject([{ tag, rows }]);
  await session.sync();
  sink.results.length = 0;
  await session.simpleQuery('SELECT id FROM t', sink);
  expect(sink.results).toMatchObject([{ rows: [['1']] }]);
});
