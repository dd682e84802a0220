import { describe, expect, it } from 'vitest';
import { Settings } from '../../../../sql/session/settings.ts';

describe('settings', () => {
  it('keeps SET after COMMIT and drops SET LOCAL', () => {
    const settings = new Settings('u');
    settings.set('lock_timeout', '5s', false);
    settings.set('lock_timeout', '1000', true);
    expect(settings.show('lock_timeout')).toBe('1s');
    settings.endBlock();
    expect(settings.show('lock_timeout')).toBe('5s');
    expect(settings.config.lockTimeoutMs).toBe(5000);
  });

  it('restores everything on ROLLBACK, and reports changes', () => {
    const settings = new Settings('u');
    const reports: string[] = [];
    settings.onReported = (name, value) => reports.push(`${name}=${value}`);
    const mark = settings.mark();
    settings.set('timezone', 'Europe/Berlin', false);
    settings.set('application_name', 'x', true);
    settings.rollbackTo(mark);
    expect(settings.show('TimeZone')).toBe('UTC');
    expect(reports).toEqual([
      'TimeZone=Europe/Berlin',
      'application_name=x',
      'application_name=',
      'TimeZone=UTC',
    ]);
  });

  it('takes startup parameters as defaults', () => {
    const settings = new Settings('u');
    settings.setDefaults(
      new Map([
        ['application_name', 'psql'],
        ['extra_float_digits', '3'],
      ]),
    );
    settings.set('application_name', 'other', false);
    settings.set('application_name', undefined, false);
    expect(settings.show('application_name')).toBe('psql');
    expect(settings.config.format.extraFloatDigits).toBe(3);
    expect(() => settings.setDefaults(new Map([['no_such', '1']]))).toThrow(/unrecognized/);
  });

  it.each([
    ['statement_timeout', '1500', '1500ms'],
    ['statement_timeout', '2min', '2min'],
    ['statement_timeout', '0', '0'],
    ['txn_max_bytes', '1GB', '1GB'],
    ['work_mem', '4096', '4MB'],
    ['DateStyle', 'iso, mdy', 'ISO, MDY'],
    ['client_encoding', 'utf-8', 'UTF8'],
    ['bytea_output', 'ESCAPE', 'escape'],
    ['enable_seqscan', 'false', 'off'],
    ['default_transaction_isolation', 'read committed', 'read committed'],
    ['my.own', 'anything', 'anything'],
  ])('%s = %s shows %s', (name, text, shown) => {
    const settings = new Settings('u');
    settings.set(name, text, false);
    expect(settings.show(name)).toBe(shown);
  });

  it.each([
    ['statement_timeout', 'soon', '22023'],
    ['statement_timeout', '-1', '22023'],
    ['extra_float_digits', '9', '22023'],
    ['timezone', 'Mars/Phobos', '22023'],
    ['client_encoding', 'latin1', '0A000'],
    ['DateStyle', 'German', '0A000'],
    ['standard_conforming_strings', 'off', '0A000'],
    ['server_version', '9', '55P02'],
    ['nonsense', '1', '42704'],
  ])('%s = %s is %s', (name, text, sqlState) => {
    const set = (): void => new Settings('u').set(name, text, false);
    expect(set).toThrow(expect.objectContaining({ sqlState }));
  });

  it('resolves the search path', () => {
    const settings = new Settings('me');
    settings.set('search_path', '"$user", Public, "My Schema"', false);
    expect(settings.config.searchPath).toEqual(['me', 'public', 'My Schema']);
  });
});
