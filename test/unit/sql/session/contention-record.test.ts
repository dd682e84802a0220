import { expect, it } from 'vitest';
import { ContentionRecord } from '../../../../sql/session/contention-record.ts';

it('tells of losses until sixteen transactions have got through', () => {
  const record = new ContentionRecord();
  expect(record.next(7)).toBeUndefined();
  record.noteLost();
  record.noteLost();
  expect(record.next(7)).toEqual({ lossesInARow: 2, lockTimeoutMs: 7 });
  for (let i = 0; i < 15; i++) {
    record.noteCommitted();
    expect(record.next(7)).toEqual({ lossesInARow: 0, lockTimeoutMs: 7 });
  }
  record.noteLost();
  for (let i = 0; i < 16; i++) {
    expect(record.next(7)).toBeDefined();
    record.noteCommitted();
  }
  expect(record.next(7)).toBeUndefined();
});
