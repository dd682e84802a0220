/** Style that is a failing test: headers, sizes, banned words, one title per document, links that lead somewhere. */
import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';

const root = path.resolve(import.meta.dirname, '..');
const SOURCE_DIRS = ['src', 'sql', 'storage', 'cluster', 'bench'];
const LINES_MAX = 600;
/** Tables more than code: long, and better in one piece. */
const LONG_FILES = new Set<string>(['sql/errors/sqlstate.ts', 'sql/parser/grammar-table.ts']);

function filesUnder(dir: string, ending: RegExp): string[] {
  const full = path.join(root, dir);
  if (!fs.existsSync(full)) return [];
  return fs
    .readdirSync(full, { recursive: true, encoding: 'utf8' })
    .map((name) => path.join(dir, name))
    .filter((name) => ending.test(name) && !name.includes('node_modules'))
    .sort();
}

const sources = SOURCE_DIRS.flatMap((dir) => filesUnder(dir, /\.(ts|mjs)$/));
const tests = filesUnder('test', /\.ts$/);
const docs = ['README.md', ...filesUnder('docs', /\.md$/), ...filesUnder('bench', /\.md$/)];
const read = (file: string): string => fs.readFileSync(path.join(root, file), 'utf8');

describe('tidy', () => {
  it('every source file opens with a header', () => {
    const without = sources.filter((file) => {
      const text = read(file).replace(/^#!.*\n/, '');
      return !text.startsWith('/**') && !text.startsWith('//') && !text.startsWith('/*');
    });
    expect(without).toEqual([]);
  });

  it(`no source file is longer than ${LINES_MAX} lines`, () => {
    const long = sources.filter(
      (file) => !LONG_FILES.has(file) && read(file).split('\n').length > LINES_MAX,
    );
    expect(long).toEqual([]);
  });

  it('nothing is left unfinished or switched off', () => {
    const words = /\b(FIXME|XXX)\b|TODO(?!\(adr-\d{4}\))|\b(it|test|describe)\.(only|skip)\b/;
    const self = path.join('test', 'tidy.test.ts');
    const bad = [...sources, ...tests].filter((file) => file !== self && words.test(read(file)));
    expect(bad).toEqual([]);
  });

  it('every document has one title, and its relative links lead somewhere', () => {
    const wrong: string[] = [];
    for (const file of docs) {
      const text = read(file).replace(/```[\s\S]*?```/g, '');
      const titles = text.split('\n').filter((line) => line.startsWith('# ')).length;
      if (titles !== 1) wrong.push(`${file}: ${titles} titles`);
      for (const match of text.matchAll(/\]\(([^)#]+)(#[^)]*)?\)/g)) {
        const target = match[1] ?? '';
        if (/^[a-z]+:/.test(target)) continue;
        const full = path.join(root, path.dirname(file), target);
        if (!fs.existsSync(full)) wrong.push(`${file}: dead link ${target}`);
      }
    }
    expect(wrong).toEqual([]);
  });
});
