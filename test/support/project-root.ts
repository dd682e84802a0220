/** The directory of the project, found from the sources as well as from what they were compiled to. */
import fs from 'node:fs';
import path from 'node:path';

export const ROOT = rootOf(import.meta.dirname);

function rootOf(dir: string): string {
  return fs.existsSync(path.join(dir, 'package.json')) ? dir : rootOf(path.dirname(dir));
}
