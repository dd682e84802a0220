import { describe, expect, it } from 'vitest';
import type { CopyOptions } from '../../../../sql/parser/ast-statement.ts';
import { resolveCopyOptions } from '../../../../sql/exec/copy-options.ts';
import { CopyReader } from '../../../../sql/exec/copy-reader.ts';
import { copyHeader, copyLineWriter } from '../../../../sql/exec/copy-writer.ts';

const NONE: CopyOptions = {
  ...{ format: undefined, delimiter: undefined, null: undefined, header: undefined },
  ...{ quote: undefined, escape: undefined, encoding: undefined, freeze: false },
  ...{ forceQuote: [], forceNotNull: [], forceNull: [] },
};

function read(text: string, options: Partial<CopyOptions> = {}, chunk = 1e9): unknown[] {
  const format = resolveCopyOptions({ ...NONE, ...options }, 'from');
  const reader = new CopyReader(format, ['a', 'b']);
  const bytes = Buffer.from(text);
  const records = [];
  for (let at = 0; at < bytes.length; at += chunk) {
    records.push(...reader.push(bytes.subarray(at, at + chunk)));
  }
  records.push(...reader.finish());
  return records.map((record) => record.fields);
}

describe('copy text', () => {
  it.each([
    [
      '1\tx\n2\t\\N\n',
      [
        ['1', 'x'],
        ['2', null],
      ],
    ],
    ['1\tx', [['1', 'x']]],
    [
      '1\tx\r\n2\ty\r\n',
      [
        ['1', 'x'],
        ['2', 'y'],
      ],
    ],
    ['a\\tb\\\\c\\nd\te\n', [['a\tb\\c\nd', 'e']]],
    ['\\101\\x42\\303\\251\t\\q\n', [['ABé', 'q']]],
    ['1\t2\n\\.\n3\t4\n', [['1', '2']]],
    ['\\\\N\tü\n', [['\\N', 'ü']]],
    ['', []],
  ])('reads %j, in any chunks', (text, expected) => {
    for (const chunk of [1, 2, 3, 1000]) expect(read(text, {}, chunk)).toEqual(expected);
  });

  it('refuses bytes that are no text', () => {
    const reader = new CopyReader(resolveCopyOptions(NONE, 'from'), ['a']);
    expect(() => reader.push(Buffer.from([0xff, 10]))).toThrow(/invalid byte sequence/);
    expect(() => reader.push(Buffer.from('a\0\n'))).toThrow(/0x00/);
  });

  it('writes what it reads', () => {
    const write = copyLineWriter(resolveCopyOptions(NONE, 'to'), ['a', 'b']);
    const row = ['a\tb\\c\nd\r\b\v\f', null];
    expect(write(row)).toBe('a\\tb\\\\c\\nd\\r\\b\\v\\f\t\\N\n');
    expect(read(write(row))).toEqual([row]);
  });
});

describe('copy csv', () => {
  const csv = { format: 'csv' as const };
  it.each([
    [
      '1,x\n2,\n',
      {},
      [
        ['1', 'x'],
        ['2', null],
      ],
    ],
    ['1,""\n', {}, [['1', '']]],
    ['"a,b","c""d"\n', {}, [['a,b', 'c"d']]],
    [
      '"line\n\n2",x\n3,y\n',
      {},
      [
        ['line\n\n2', 'x'],
        ['3', 'y'],
      ],
    ],
    ['a,b\n1,2\n', { header: true }, [['1', '2']]],
    ['a,b\n1,2\n', { header: 'match' as const }, [['1', '2']]],
    ['1;x\\"y\n', { delimiter: ';', quote: "'" }, [['1', 'x\\"y']]],
    ["1,'it\\'s'\n", { quote: "'", escape: '\\' }, [['1', "it's"]]],
    ['"",\n', { forceNull: [{ name: 'a', position: 0 }] }, [[null, null]]],
    [',x\n', { forceNotNull: [{ name: 'a', position: 0 }] }, [['', 'x']]],
  ])('reads %j %j', (text, options, expected) => {
    for (const chunk of [1, 2, 1000]) {
      expect(read(text, { ...csv, ...options }, chunk)).toEqual(expected);
    }
  });

  it('refuses an open quote and a header that does not match', () => {
    expect(() => read('"a,b\n', csv)).toThrow('unterminated CSV quoted field');
    expect(() => read('a,c\n', { ...csv, header: 'match' })).toThrow(/got "c", expected "b"/);
    expect(() => read('a\n', { ...csv, header: 'match' })).toThrow(/wrong number of fields/);
  });

  it('writes what it reads', () => {
    const format = resolveCopyOptions({ ...NONE, ...csv, header: true }, 'to');
    const write = copyLineWriter(format, ['a', 'b']);
    expect(copyHeader(format, ['a', 'b,c'])).toBe('a,"b,c"\n');
    const row = ['x"y,\nz', ''];
    expect(write(row)).toBe('"x""y,\nz",""\n');
    expect(read(write(row), csv)).toEqual([row]);
    expect(write([null, 'plain'])).toBe(',plain\n');
  });

  it.each([
    [{ delimiter: 'ab' }, /single one-byte/],
    [{ quote: '"' }, /only in CSV/],
    [{ delimiter: 'a' }, /cannot be "a"/],
    [{ null: 'a\tb' }, /delimiter character must not appear/],
    [{ format: 'csv' as const, delimiter: '"' }, /must be different/],
    [{ format: 'binary' as const }, /binary/],
    [{ encoding: 'latin1' }, /encoding/],
  ])('refuses the options %j', (options, message) => {
    expect(() => resolveCopyOptions({ ...NONE, ...options }, 'from')).toThrow(message);
  });
});
