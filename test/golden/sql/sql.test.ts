import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'vitest';
import { runGolden } from '../../support/sql-golden.ts';

const DIR = import.meta.dirname;

// The same scripts with answers at once and with answers that have to be waited for, and in tiny batches.
describe.each([{ isAsync: false }, { isAsync: true, batchRows: 2 }])('sql goldens %o', (options) => {
  for (const file of scripts()) {
    it(file, () => runGolden(join(DIR, file), options));
  }
});

function scripts(): string[] {
  return readdirSync(DIR)
    .filter((name) => name.endsWith('.txt'))
    .sort();
}
