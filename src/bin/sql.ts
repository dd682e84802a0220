/**
 * `quorate sql`: a small shell for where psql is not installed. Statements end with `;`; `-c` runs one text and ends.
 */
import process from 'node:process';
import readline from 'node:readline/promises';
import { parseArgs } from 'node:util';
import type { QueryResult } from '../client/wire-client.ts';
import { WireClient } from '../client/wire-client.ts';
import { ConfigError } from '../node/config.ts';

export async function runSql(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      url: { type: 'string', default: 'postgres://quorate@127.0.0.1:7432/quorate' },
      command: { type: 'string', short: 'c' },
    },
  });
  const client = await open(values.url);
  try {
    if (values.command !== undefined) return (await runText(client, values.command)) ? 0 : 1;
    return await shell(client);
  } finally {
    client.close();
  }
}

async function open(text: string): Promise<WireClient> {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    throw new ConfigError(`"${text}" is not a URL like postgres://127.0.0.1:7432/quorate`);
  }
  try {
    return await WireClient.connect({
      host: url.hostname,
      port: url.port === '' ? 7432 : Number(url.port),
      user: url.username === '' ? 'quorate' : decodeURIComponent(url.username),
      database: url.pathname.length > 1 ? decodeURIComponent(url.pathname.slice(1)) : 'quorate',
      timeoutMs: 10_000,
    });
  } catch (error) {
    throw new ConfigError(`cannot connect to ${url.host}: ${describe(error)}`);
  }
}

async function shell(client: WireClient): Promise<number> {
  const isTerminal = process.stdin.isTTY;
  const lines = readline.createInterface({ input: process.stdin, output: process.stderr });
  let text = '';
  let isGood = true;
  lines.setPrompt('quorate=> ');
  if (isTerminal) lines.prompt();
  for await (const line of lines) {
    if (text === '' && /^\s*(\\q|exit|quit)\s*$/.test(line)) break;
    text += line + '\n';
    if (line.trimEnd().endsWith(';')) {
      isGood = (await runText(client, text)) && isGood;
      text = '';
    }
    lines.setPrompt(text === '' ? 'quorate=> ' : 'quorate-> ');
    if (isTerminal) lines.prompt();
  }
  if (text.trim() !== '') isGood = (await runText(client, text)) && isGood;
  lines.close();
  return isGood ? 0 : 1;
}

async function runText(client: WireClient, text: string): Promise<boolean> {
  try {
    for (const result of await client.query(text)) print(result);
    return true;
  } catch (error) {
    process.stderr.write(`${describe(error)}\n`);
    return false;
  }
}

function print(result: QueryResult): void {
  if (result.columns.length === 0) {
    process.stdout.write(`${result.tag}\n`);
    return;
  }
  const cells = [result.columns, ...result.rows.map((row) => row.map((cell) => cell ?? ''))];
  const widths = result.columns.map((_, i) =>
    cells.reduce((width, row) => Math.max(width, row[i]?.length ?? 0), 0),
  );
  const line = (row: readonly string[]): string =>
    row.map((cell, i) => ` ${cell.padEnd(widths[i] ?? 0)} `).join('|');
  process.stdout.write(`${line(result.columns)}\n`);
  process.stdout.write(`${widths.map((width) => '-'.repeat(width + 2)).join('+')}\n`);
  for (const row of cells.slice(1)) process.stdout.write(`${line(row)}\n`);
  const count = result.rows.length;
  process.stdout.write(`(${count} row${count === 1 ? '' : 's'})\n`);
}

/** As psql words it: severity, message, SQLSTATE, detail and hint. */
function describe(error: unknown): string {
  const fields = error as {
    severity?: string;
    message?: string;
    code?: string;
    detail?: string;
    hint?: string;
  };
  const code = fields.code === undefined ? '' : ` (${fields.code})`;
  const lines = [`${fields.severity ?? 'ERROR'}:  ${fields.message ?? String(error)}${code}`];
  if (fields.detail !== undefined) lines.push(`DETAIL:  ${fields.detail}`);
  if (fields.hint !== undefined) lines.push(`HINT:  ${fields.hint}`);
  return lines.join('\n');
}
