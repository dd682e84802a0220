import { describe, expect, it } from 'vitest';
import type { Key } from '../../../src/base/span.ts';
import type { Timestamp } from '../../../src/base/timestamp.ts';
import { ReadableVersions } from '../../../src/sim/checkers.ts';

describe('versions that someone may still read', () => {
  it('are those above the threshold, and the newest below it unless it is a deletion', () => {
    const readable = new ReadableVersions(20 as Timestamp);
    const versions = ['a30', 'a20', 'a10', 'b21-', 'b19', 'c20-', 'c10', 'd19', 'e20-', 'f20'];
    const found = versions.filter((text) =>
      readable.isNext({
        key: text.slice(0, 1) as Key,
        ts: Number(text.slice(1, 3)) as Timestamp,
        value: text.endsWith('-') ? undefined : Buffer.of(1),
      }),
    );
    expect(found).toEqual(['a30', 'a20', 'b21-', 'b19', 'd19', 'f20']);
  });
});
