/**
 * Question: what do the messages of one pgbench statement cost, in and out, simple and prepared? Non-goals: sockets,
 * sessions. It can mislead: the chunk is the same every time, and is warm in the caches.
 */
import { bench, describe } from 'vitest';
import { BackendEncoder } from '../../src/pgwire/backend-encoder.ts';
import { FrontendDecoder } from '../../src/pgwire/frontend-decoder.ts';
import { RowEncoder } from '../../src/pgwire/row-encoder.ts';
import { DEFAULT_FORMAT } from '../../sql/types/format-context.ts';
import { INT4, bpcharOf } from '../../sql/types/sql-type.ts';
import { accountNumbers, accountRow, cycle } from './accounts.ts';

function message(type: string, ...parts: readonly (string | number | Buffer)[]): Buffer {
  const body = Buffer.concat(
    parts.map((part) => {
      if (typeof part === 'string') return Buffer.from(`${part}\0`);
      if (typeof part !== 'number') return part;
      const bytes = Buffer.alloc(4);
      bytes.writeInt32BE(part);
      return bytes;
    }),
  );
  const head = Buffer.alloc(5, type);
  head.writeInt32BE(body.length + 4, 1);
  return Buffer.concat([head, body]);
}

const int16 = (value: number): Buffer => Buffer.from([value >> 8, value & 255]);

/** What libpq sends for one execution of a prepared statement. */
function preparedExecution(aid: number): Buffer {
  const text = Buffer.from(String(aid));
  return Buffer.concat([
    message('B', '', 'P_0', int16(0), int16(1), text.length, text, int16(1), int16(0)),
    message('D', Buffer.from('P\0')),
    message('E', '', 0),
    message('S'),
  ]);
}

function simpleQuery(aid: number): Buffer {
  return message('Q', `SELECT abalance FROM pgbench_accounts WHERE aid = ${aid};`);
}

const columns = [
  { name: 'aid', type: INT4, tableId: 104, columnNumber: 1 },
  { name: 'bid', type: INT4, tableId: 104, columnNumber: 2 },
  { name: 'abalance', type: INT4, tableId: 104, columnNumber: 3 },
  { name: 'filler', type: bpcharOf(84), tableId: 104, columnNumber: 4 },
];

describe('wire: decode', () => {
  const decoder = new FrontendDecoder();
  const decodeAll = (chunk: Buffer): void => {
    decoder.push(chunk);
    while (decoder.next() !== undefined);
  };
  const aids = accountNumbers(256);
  const nextPrepared = cycle(aids.map(preparedExecution));
  const nextSimple = cycle(aids.map(simpleQuery));
  const sixteen = Buffer.concat(aids.slice(0, 16).map(preparedExecution));

  bench('Bind, Describe, Execute, Sync of a prepared SELECT', () => {
    decodeAll(nextPrepared());
  });
  bench('sixteen of these in one chunk', () => {
    decodeAll(sixteen);
  });
  bench('Query with a SELECT', () => {
    decodeAll(nextSimple());
  });
});

describe('wire: encode', () => {
  const out = new BackendEncoder();
  const aids = accountNumbers(256);
  const nextRow = cycle(aids.map(accountRow));
  const nextBalance = cycle(aids.map((aid) => [accountRow(aid)[2] ?? null]));
  const balance = columns.slice(2, 3);
  const balanceText = RowEncoder.of(balance, [], DEFAULT_FORMAT);
  const rowText = RowEncoder.of(columns, [], DEFAULT_FORMAT);
  const rowBinary = RowEncoder.of(columns, [1], DEFAULT_FORMAT);

  bench('the whole answer to a prepared SELECT', () => {
    out.empty('2');
    out.rowDescription(balance, []);
    balanceText.write(out, nextBalance());
    out.commandComplete('SELECT 1');
    out.readyForQuery('I');
    out.take();
  });
  bench('100 accounts as text', () => {
    for (let i = 0; i < 100; i++) rowText.write(out, nextRow());
    out.take();
  });
  bench('100 accounts in binary', () => {
    for (let i = 0; i < 100; i++) rowBinary.write(out, nextRow());
    out.take();
  });
});
