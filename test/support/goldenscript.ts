/**
 * Golden scripts: commands, a line `---`, and the output they are expected to give, up to a blank line.
 *
 *   # What the script shows.
 *   cluster nodes=3
 *   1: campaign
 *   ---
 *   1: ...
 *
 * A command is `actor: [tag,tag] !name argument key=value # comment`, all but the name optional; `actor:> rest of line`
 * is taken whole (SQL); `!` says it must fail, parentheses around the line silence its output. A command, argument, key
 * or tag that nobody asked for fails, so that a misspelt one cannot pass. A block without output prints `ok`; output
 * with blank lines is quoted with `> `. ASCII only. `GOLDEN_UPDATE=1` rewrites the files; commit only what you expected.
 */
import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';

export class ScriptError extends Error {
  override readonly name = 'ScriptError';
}

export class Command {
  readonly actor: string | undefined;
  readonly name: string;
  /** What follows `> `, instead of name and arguments. */
  readonly text: string | undefined;
  readonly mustFail: boolean;
  readonly isSilent: boolean;
  readonly line: number;
  readonly #positional: string[];
  readonly #named: Map<string, string>;
  readonly #tags: Set<string>;

  constructor(parsed: ParsedLine, line: number) {
    this.actor = parsed.actor;
    this.name = parsed.name;
    this.text = parsed.text;
    this.mustFail = parsed.mustFail;
    this.isSilent = parsed.isSilent;
    this.line = line;
    this.#positional = parsed.positional;
    this.#named = parsed.named;
    this.#tags = parsed.tags;
  }

  /** The next positional argument. */
  next(): string {
    const value = this.#positional.shift();
    if (value === undefined) throw this.error('an argument is missing');
    return value;
  }

  maybeNext(): string | undefined {
    return this.#positional.shift();
  }

  /** All positional arguments that are left. */
  rest(): string[] {
    return this.#positional.splice(0);
  }

  key(name: string): string | undefined {
    const value = this.#named.get(name);
    this.#named.delete(name);
    return value;
  }

  number(name: string, otherwise: number): number {
    const value = this.key(name);
    if (value === undefined) return otherwise;
    if (!/^-?\d+(\.\d+)?$/.test(value)) throw this.error(`${name} is not a number`);
    return Number(value);
  }

  /** All `key=value` arguments that are left, in their order. */
  pairs(): [string, string][] {
    const all = [...this.#named];
    this.#named.clear();
    return all;
  }

  tag(name: string): boolean {
    return this.#tags.delete(name);
  }

  error(message: string): ScriptError {
    return new ScriptError(`line ${this.line}: ${this.name}: ${message}`);
  }

  unknown(): ScriptError {
    return this.error('no such command');
  }

  /** Everything that the script says must have been asked for. */
  checkConsumed(): void {
    const left = [
      ...this.#positional,
      ...this.#named.keys(),
      ...[...this.#tags].map((t) => `[${t}]`),
    ];
    if (left.length > 0) throw this.error(`unexpected ${left.join(' ')}`);
  }
}

/** Runs one command; the string is its output, without a final newline. */
export type Interpreter = (command: Command) => string | Promise<string>;

interface ParsedLine {
  actor: string | undefined;
  name: string;
  text: string | undefined;
  mustFail: boolean;
  isSilent: boolean;
  positional: string[];
  named: Map<string, string>;
  tags: Set<string>;
}

const HEAD = /^(?:([A-Za-z0-9_-]+):)?\s*(?:\[([a-z0-9_,-]+)\])?\s*(!)?\s*(.*)$/;

function parseLine(source: string, line: number): Command {
  const isSilent = source.startsWith('(');
  if (isSilent && !source.endsWith(')')) throw new ScriptError(`line ${line}: ) is missing`);
  const head = HEAD.exec(isSilent ? source.slice(1, -1).trim() : source);
  const [, actor, tags, fail, body = ''] = head ?? [];
  const parsed: ParsedLine = {
    actor,
    name: '',
    text: undefined,
    mustFail: fail !== undefined,
    isSilent,
    positional: [],
    named: new Map(),
    tags: new Set(tags?.split(',') ?? []),
  };
  if (body.startsWith('>')) {
    parsed.name = '>';
    parsed.text = body.slice(1).trim();
    return new Command(parsed, line);
  }
  for (const word of words(body, line)) {
    const at = word.indexOf('=');
    if (parsed.name === '') parsed.name = word;
    else if (at <= 0) parsed.positional.push(word);
    else if (parsed.named.has(word.slice(0, at))) {
      throw new ScriptError(`line ${line}: ${word.slice(0, at)} is given twice`);
    } else parsed.named.set(word.slice(0, at), word.slice(at + 1));
  }
  if (parsed.name === '') throw new ScriptError(`line ${line}: a command is missing`);
  return new Command(parsed, line);
}

/** Splits at spaces, outside double quotes; ends at a word that begins with `#`. */
function words(body: string, line: number): string[] {
  const found: string[] = [];
  for (const match of body.matchAll(/\s*(#.*|(?:"[^"]*"|[^\s"])+|\S)/g)) {
    const word = match[1] ?? '';
    if (word.startsWith('#')) break;
    if ((word.split('"').length - 1) % 2 === 1) {
      throw new ScriptError(`line ${line}: a quote is not closed`);
    }
    found.push(word.replaceAll('"', ''));
  }
  return found;
}

/** Runs a script and returns it with the output that it really gave. */
export async function runScript(script: string, interpret: Interpreter): Promise<string> {
  if (/[^\n\x20-\x7e]/.test(script)) throw new ScriptError('a script is ASCII');
  const lines = [...script.trimEnd().split('\n'), ''];
  const out: string[] = [];
  let output: string[] | undefined;
  for (let i = 0; i < lines.length; i++) {
    const line = lines[i] ?? '';
    if (line === '---' || (line === '' && output !== undefined)) {
      // A block that ends without `---` gets one.
      out.push('---', ...formatOutput(output ?? []), '');
      output = undefined;
      while (i < lines.length && lines[i] !== '') i++;
      continue;
    }
    out.push(line);
    if (line === '' || line.startsWith('#')) continue;
    output = [...(output ?? []), ...(await runCommand(parseLine(line, i + 1), interpret))];
  }
  return `${out.join('\n').trimEnd()}\n`;
}

async function runCommand(command: Command, interpret: Interpreter): Promise<string[]> {
  let output: string;
  try {
    output = await interpret(command);
    command.checkConsumed();
    if (command.mustFail) throw new ScriptError(`line ${command.line}: expected to fail`);
  } catch (error) {
    if (!command.mustFail || !(error instanceof Error) || error instanceof ScriptError) throw error;
    output = `${error.name}: ${error.message}`;
  }
  if (command.isSilent || output === '') return [];
  const prefix = command.actor === undefined ? '' : `${command.actor}: `;
  return output.split('\n').map((line) => (line === '' ? '' : prefix + line));
}

function formatOutput(lines: readonly string[]): string[] {
  if (lines.length === 0) return ['ok'];
  return lines.some((line) => line === '')
    ? lines.map((line) => `> ${line}`.trimEnd())
    : [...lines];
}

/** One test for each script of a directory; a fresh interpreter for each. */
export function describeScripts(title: string, dir: string, make: () => Interpreter): void {
  const files = fs.readdirSync(dir).filter((name) => name.endsWith('.txt'));
  describe(title, () => {
    it('has scripts', () => {
      expect(files.length).toBeGreaterThan(0);
    });
    for (const name of files.sort()) {
      it(name.replace(/\.txt$/, ''), async () => {
        const file = path.join(dir, name);
        const expected = fs.readFileSync(file, 'utf8');
        if (!expected.startsWith('# ')) throw new ScriptError('a script begins with its goal');
        const actual = await runScript(expected, make());
        if (process.env['GOLDEN_UPDATE'] === '1') fs.writeFileSync(file, actual);
        else expect(actual).toBe(expected);
      });
    }
  });
}
