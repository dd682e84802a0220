/**
 * Outlives whoever started a cluster of processes, if only for a moment: kills what is left of it and removes its
 * directory. Its owner writes `+PID`, `~PID` (told to end, not killed), `-PID` and `dir PATH` lines to its standard input. The end of that input, however
 * it comes about (also kill -9 of the owner), is the signal.
 */
import fs from 'node:fs';
import process from 'node:process';

const pids = new Set();
const supervisors = new Set();
const dirs = new Set();
let text = '';

process.stdin.on('data', (chunk) => {
  text += chunk;
  const lines = text.split('\n');
  text = lines.pop() ?? '';
  for (const line of lines) {
    if (line.startsWith('+')) pids.add(Number(line.slice(1)));
    else if (line.startsWith('~')) supervisors.add(Number(line.slice(1)));
    else if (line.startsWith('-')) pids.delete(Number(line.slice(1)));
    else if (line.startsWith('dir ')) dirs.add(line.slice(4));
  }
});
process.stdin.on('end', () => {
  for (const pid of pids) end(pid, 'SIGKILL');
  for (const pid of supervisors) end(pid, 'SIGTERM');
  for (const dir of dirs) fs.rmSync(dir, { recursive: true, force: true, maxRetries: 10 });
});
// Ctrl-C reaches the whole group of processes in the terminal; this one has still something to do.
process.on('SIGINT', () => undefined);
process.on('SIGTERM', () => undefined);

function end(pid, signal) {
  try {
    process.kill(pid, signal);
  } catch {
    // It has ended by itself.
  }
}
