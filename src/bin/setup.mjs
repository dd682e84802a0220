// Makes a fresh clone runnable: installs the locked packages and compiles, each only when something has changed.
// Plain JavaScript, because it runs before there is a compiler. Used by `npm start`, `npm test`, `npm run bench` and `npm run chaos`.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';

const root = path.resolve(path.dirname(new URL(import.meta.url).pathname), '..', '..');
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  fail(`Quorate needs Node 20.19 or newer; this is ${process.version}.`);
}

const modules = path.join(root, 'node_modules');
const installed = path.join(modules, '.package-lock.json');
if (newest([path.join(root, 'package-lock.json')]) > newest([installed])) {
  say('installing packages ...');
  run('npm', ['install', '--no-save', '--no-audit', '--no-fund', '--loglevel=error']);
}

const stamp = path.join(root, 'dist', '.built');
const parts = ['src', 'sql', 'storage', 'cluster', 'bench', 'test/chaos', 'test/support'];
const sources = parts.map((dir) => path.join(root, dir));
const configs = ['tsconfig.json', 'tsconfig.build.json', 'package-lock.json'];
if (newest([...sources, ...configs.map((file) => path.join(root, file))]) > newest([stamp])) {
  say('compiling ...');
  rmSync(path.join(root, 'dist'), { recursive: true, force: true });
  run(process.execPath, [
    path.join(modules, 'typescript', 'bin', 'tsc'),
    '-p',
    'tsconfig.build.json',
  ]);
  mkdirSync(path.dirname(stamp), { recursive: true });
  writeFileSync(stamp, '');
}

/** The latest modification under the paths, in milliseconds; 0 for what does not exist. */
function newest(paths) {
  let latest = 0;
  for (const each of paths) {
    if (!existsSync(each)) continue;
    const stat = statSync(each);
    latest = Math.max(latest, stat.mtimeMs);
    if (stat.isDirectory()) {
      latest = Math.max(latest, newest(readdirSync(each).map((name) => path.join(each, name))));
    }
  }
  return latest;
}

function run(command, args) {
  try {
    execFileSync(command, args, { cwd: root, stdio: ['ignore', 2, 2] });
  } catch {
    fail(`"${[path.basename(command), ...args].join(' ')}" failed; see above.`);
  }
}

function say(text) {
  process.stderr.write(`quorate: ${text}\n`);
}

function fail(text) {
  say(text);
  process.exit(1);
}
