/** The startup parameter `options`. */
import { describe, expect, it } from 'vitest';
import { parseStartupOptions } from '../../../src/pgwire/startup-options.ts';

describe('startup options', () => {
  it.each([
    ['', {}],
    ['-c TimeZone=Asia/Tokyo', { TimeZone: 'Asia/Tokyo' }],
    ['  -cwork_mem=1MB   --statement-timeout=5s ', { work_mem: '1MB', statement_timeout: '5s' }],
    ['-c application_name=a\\ b\\\\c=d', { application_name: 'a b\\c=d' }],
    ['-c search_path=', { search_path: '' }],
  ])('%j', (text, expected) => {
    expect(Object.fromEntries(parseStartupOptions(text))).toEqual(expected);
  });

  it.each(['-x', '-c', 'name=value', '--name', '-c =1'])('refuses %j', (text) => {
    expect(() => parseStartupOptions(text)).toThrow('invalid command-line argument');
  });
});
