/** Commands survive their encoding, and hostile bytes end in a decode error. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Command } from '../../../../cluster/replica/command.ts';
import {
  clockTimestamp,
  commandTimestamp,
  decodeCommand,
  encodeCommand,
} from '../../../../cluster/replica/command.ts';
import { ByteDecodeError } from '../../../../src/base/bytes.ts';
import type { LockId, TxnId } from '../../../../src/base/ids.ts';
import type { Key } from '../../../../src/base/span.ts';
import type { Timestamp } from '../../../../src/base/timestamp.ts';

const ts = 123_456_789_012_345 as Timestamp;
const txnId = 'abcdefghijklm' as TxnId;
const key = (text: string): Key => text as Key;
const writes = [
  { key: key('\x00\xff k'), value: Buffer.from([1, 2, 3]) },
  { key: key('z'), value: null },
  { key: key('zz'), value: Buffer.alloc(0) },
];

const COMMANDS: readonly Command[] = [
  { kind: 'noop', ts },
  { kind: 'ceiling', ts },
  { kind: 'handover', ts },
  { kind: 'commit', ts, txnId, writes, stagedParts: 3 },
  {
    kind: 'prepare',
    ts,
    txnId,
    lockId: 'lock' as LockId,
    writes,
    stagedParts: 0,
    reads: [{ start: key('a'), end: key('b') }],
    lockedKeys: [key('q')],
    anchor: key('anchor'),
    span: { start: key(''), end: key('\xff') },
    participants: [{ start: key('m'), end: key('n') }],
  },
  { kind: 'resolve', ts, txnId, commitTs: ts },
  { kind: 'split', ts, at: key('middle'), rightId: 70_000 },
  { kind: 'stage', ts, txnId, part: 7, chunk: Buffer.from('chunk') },
  { kind: 'forget', ts, txnId },
  { kind: 'collect', ts, threshold: 5 as Timestamp },
];

describe('command', () => {
  it.each(COMMANDS)('$kind survives its encoding', (command) => {
    const bytes = encodeCommand(command);
    expect(decodeCommand(bytes)).toEqual(command);
    expect(commandTimestamp(bytes)).toBe(ts);
    // Clocks do not follow a ceiling, which lies ahead of them.
    expect(clockTimestamp(bytes)).toBe(command.kind === 'ceiling' ? 0 : ts);
  });

  it('hostile bytes end in a decode error', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        try {
          decodeCommand(bytes);
        } catch (error) {
          if (!(error instanceof ByteDecodeError)) throw error;
        }
      }),
    );
  });
});
