/**
 * The startup parameter `options`: settings as they would stand on a server's command line, `-c name=value` or
 * `--name=value`, separated by spaces, with a backslash before what belongs to a value. PGOPTIONS and the drivers'
 * connection strings end up here.
 */
import { SqlError } from '../../sql/errors/sql-error.ts';

export function parseStartupOptions(text: string): ReadonlyMap<string, string> {
  const settings = new Map<string, string>();
  const words = splitWords(text);
  for (let i = 0; i < words.length; i++) {
    const word = words[i] ?? '';
    let assignment: string | undefined;
    if (word === '-c') assignment = words[++i];
    else if (word.startsWith('-c')) assignment = word.slice(2);
    else if (word.startsWith('--')) assignment = word.slice(2);
    const end = assignment?.indexOf('=') ?? -1;
    if (assignment === undefined || end <= 0) {
      const message = `invalid command-line argument for server process: ${word}`;
      throw new SqlError('42601', message, { severity: 'FATAL' });
    }
    settings.set(assignment.slice(0, end).replaceAll('-', '_'), assignment.slice(end + 1));
  }
  return settings;
}

function splitWords(text: string): string[] {
  const words: string[] = [];
  let word: string | undefined;
  for (let i = 0; i < text.length; i++) {
    let char = text.charAt(i);
    if (/\s/.test(char)) {
      if (word !== undefined) words.push(word);
      word = undefined;
      continue;
    }
    if (char === '\\' && i + 1 < text.length) char = text.charAt(++i);
    word = (word ?? '') + char;
  }
  if (word !== undefined) words.push(word);
  return words;
}
