/** What peers' tools say, how clients are shared out, and the messages that etcd is sent. */
import { describe, expect, it } from 'vitest';
import { parsePgbench, shares, sumOutcomes } from '../../../bench/peers/pgbench.ts';
import { findProgram, runProgram } from '../../../bench/peers/programs.ts';
import { encodeProto, fieldsOf } from '../../../bench/peers/protobuf.ts';
import { parseSysbench } from '../../../bench/peers/sysbench.ts';

describe('what tools say', () => {
  it('of pgbench: the rate and what failed', () => {
    const output = [
      'pgbench (15.18 (Debian 15.18-0+deb12u1))',
      'number of transactions actually processed: 1234',
      'number of failed transactions: 17 (1.359%)',
      'latency average = 12.3 ms',
      'initial connection time = 9.1 ms',
      'tps = 411.333333 (without initial connection time)',
    ].join('\n');
    expect(parsePgbench(output)).toEqual({ throughput: 411.333333, failed: 17 });
    expect(() => parsePgbench('Run was aborted')).toThrow('pgbench gave no rate');
  });

  it('of sysbench: the rate and what was ignored', () => {
    const output = [
      '    transactions:                        104    (34.61 per sec.)',
      '    queries:                             6264   (2084.62 per sec.)',
      '    ignored errors:                      210    (69.89 per sec.)',
    ].join('\n');
    expect(parseSysbench(output)).toEqual({ throughput: 34.61, failed: 210 });
    expect(() => parseSysbench('FATAL: ...')).toThrow('sysbench gave no rate');
  });

  it('of several processes is summed', () => {
    const parts = [
      { throughput: 10, failed: 1 },
      { throughput: 5, failed: 2 },
    ];
    expect(sumOutcomes(parts)).toEqual({ throughput: 15, failed: 3 });
  });
});

describe('clients', () => {
  it('are shared out evenly, the first nodes having one more', () => {
    expect(shares(16, 3)).toEqual([6, 5, 5]);
    expect(shares(64, 1)).toEqual([64]);
    expect(shares(1, 3)).toEqual([1, 0, 0]);
  });
});

describe('programs', () => {
  it('are found on PATH, and those that are not are missed', () => {
    expect(findProgram('sh')).toMatch(/\/sh$/);
    expect(findProgram('no-such-program')).toBeUndefined();
  });

  it('that fail are told with what they said', async () => {
    const fail = ['-c', 'echo all is lost; exit 3'];
    await expect(runProgram('/bin/sh', fail)).rejects.toThrow('sh failed: all is lost');
    await expect(runProgram('/no/such/file', [])).rejects.toThrow('ENOENT');
  });
});

describe('protobuf', () => {
  it('writes what it reads', () => {
    const inner = encodeProto([[1, Buffer.from('key')]]);
    const message = encodeProto([
      [1, 127],
      [1, 128],
      [1, 300],
      [2, inner],
      [2, Buffer.alloc(200, 'v')],
      [5, 0],
      [20, 2 ** 40],
    ]);
    expect(fieldsOf(message, 1)).toEqual([127, 128, 300]);
    expect(fieldsOf(message, 2)).toEqual([inner, Buffer.alloc(200, 'v')]);
    expect(fieldsOf(message, 5)).toEqual([]);
    expect(fieldsOf(message, 20)).toEqual([2 ** 40]);
  });

  it('has the bytes that the format says', () => {
    expect(encodeProto([[1, 150]]).toString('hex')).toBe('089601');
    expect(encodeProto([[2, Buffer.from('testing')]]).toString('hex')).toBe('120774657374696e67');
  });

  it('skips fixed fields, and refuses what ends early', () => {
    const fixed = Buffer.from('090102030405060708' + '0d01020304' + '1005', 'hex');
    expect(fieldsOf(fixed, 2)).toEqual([5]);
    expect(() => fieldsOf(Buffer.from('1205aa', 'hex'), 2)).toThrow(RangeError);
    expect(() => fieldsOf(Buffer.from('0880', 'hex'), 1)).toThrow(RangeError);
    expect(() => fieldsOf(Buffer.from('0b', 'hex'), 1)).toThrow(RangeError);
  });
});
