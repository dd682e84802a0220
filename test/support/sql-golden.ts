/**
 * Golden SQL scripts. A script is blocks separated by empty lines; a block is `# comments`, commands, `---`, and the
 * output that the commands must give. GOLDEN_UPDATE=1 rewrites the output.
 *
 *   > SQL                 run as a Query message; lines that begin with two blanks continue it
 *   c1:> SQL              the same in session c1; it may block: then `c1: blocked` is printed, and its output later
 *   !> SQL                must fail; without `!` it must not (what does otherwise is marked `!!` in the output)
 *   | data                CopyData for the COPY above it (a line each)
 *   [types]> SQL          prints the columns and their types
 *   prepare p> SQL        Parse and Describe
 *   execute p [max=n] v.. Bind and Execute and Sync; values separated by blanks, `null`, text form; `more` continues
 *   advance ms=n          moves the clock, firing timers
 *   split key columns     none: ranges are split by ALTER TABLE ... SPLIT AT
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { SqlError } from '../../sql/errors/sql-error.ts';
import type { Session } from '../../sql/session/session-api.ts';
import { decodeText } from '../../sql/types/text-format.ts';
import { formatType } from '../../sql/types/sql-type.ts';
import type { LocalKvOptions } from './local-kv.ts';
import type { Result } from '../../src/sim/collecting-sink.ts';
import { CollectingSink } from '../../src/sim/collecting-sink.ts';
import type { Harness } from './sql-harness.ts';
import { makeHarness } from './sql-harness.ts';
import { settle } from './turn-scheduler.ts';

interface Command {
  readonly line: string;
  readonly actor: string;
  readonly verb: string;
  readonly mustFail: boolean;
  readonly showTypes: boolean;
  text: string;
  readonly data: string[];
}

interface Actor {
  readonly session: Session;
  running: Promise<void> | undefined;
  output: string[];
}

const COMMAND =
  /^(?:(\w+):)?(!)?(?:\[(types)\])?((?:prepare|execute|advance|more|terminate)\b[^>]*)?(>)?\s?(.*)$/;
const ROUNDS_MAX = 20000;

/** Runs a script and compares; returns the text that the script should be. */
export async function runGolden(file: string, options: LocalKvOptions = {}): Promise<void> {
  const source = readFileSync(file, 'utf8');
  const actual = await replay(source, options);
  if (actual === source) return;
  if (process.env['GOLDEN_UPDATE'] === '1' && !/^(\w+: )?!!/m.test(actual)) {
    writeFileSync(file, actual);
    return;
  }
  throw new Error(`${file}\n${firstDifference(source, actual)}`);
}

export async function replay(source: string, options: LocalKvOptions): Promise<string> {
  const harness = makeHarness(options);
  const runner = new Runner(harness);
  const blocks = source.replace(/\n+$/, '').split(/\n{2,}/);
  const out: string[] = [];
  for (const block of blocks) out.push(await runner.block(block));
  await runner.finish();
  return out.join('\n\n') + '\n';
}

class Runner {
  readonly #harness: Harness;
  readonly #actors = new Map<string, Actor>();
  #failure: Error | undefined;

  constructor(harness: Harness) {
    this.#harness = harness;
  }

  async block(block: string): Promise<string> {
    const lines = block.split('\n');
    const end = lines.indexOf('---');
    const head = end < 0 ? lines : lines.slice(0, end);
    const commands = parseCommands(head);
    if (commands.length === 0) return block;
    const output: string[] = [];
    for (const command of commands) output.push(...(await this.#run(command)));
    return [...head, '---', ...output].join('\n');
  }

  async finish(): Promise<void> {
    for (const actor of this.#actors.values()) actor.session.close();
    await settle();
  }

  async #run(command: Command): Promise<string[]> {
    if (command.verb.startsWith('advance')) {
      this.#harness.time.advance(Number(/ms=(\d+)/.exec(command.verb + command.text)?.[1] ?? 0));
      return this.#drain(undefined);
    }
    const actor = await this.#actor(command.actor);
    if (actor.running !== undefined) throw new Error(`${command.actor} is still blocked`);
    const prefix = command.actor === '' ? '' : `${command.actor}: `;
    actor.running = this.#execute(command, actor)
      .catch((error: unknown) => {
        if (!(error instanceof SqlError)) {
          this.#failure ??= new Error(`"${command.line}": ${String(error)}`, { cause: error });
          return;
        }
        if (!command.mustFail) actor.output.push(`!! not expected to fail: ${command.line}`);
        actor.output.push(...errorLines(error));
      })
      .then(() => {
        actor.output = actor.output.map((line) => prefix + line);
      });
    const lines = await this.#drain(actor);
    if (this.#isBlocked(actor)) lines.push(`${prefix}blocked`);
    return lines;
  }

  /** Lets everything run that can, and collects the output of those that have ended. */
  async #drain(current: Actor | undefined): Promise<string[]> {
    const ended: string[] = [];
    const pending = new Map<Actor, boolean>();
    for (const actor of this.#actors.values()) {
      if (actor.running === undefined) continue;
      pending.set(actor, false);
      void actor.running.then(() => pending.set(actor, true));
    }
    for (let round = 0; round < ROUNDS_MAX; round++) {
      await settle();
      for (const [actor, isDone] of pending) {
        if (!isDone) continue;
        pending.delete(actor);
        actor.running = undefined;
        ended.push(...actor.output);
        actor.output = [];
      }
      if (this.#failure !== undefined) throw this.#failure;
      if (pending.size === 0) return ended;
      if (round >= 5 && this.#harness.kv.locks.waitingCount >= pending.size) return ended;
    }
    throw new Error(
      current === undefined ? 'stuck' : 'a statement neither ends nor waits for a lock',
    );
  }

  async #execute(command: Command, actor: Actor): Promise<void> {
    const { session } = actor;
    const sink = new CollectingSink(() => session.format());
    sink.copyInput = command.data.map((line) => Buffer.from(line + '\n'));
    const finish = (): void => {
      for (const notice of sink.notices) {
        actor.output.push(`${notice.severity} ${notice.sqlState}: ${notice.message}`);
      }
      for (const result of sink.results)
        actor.output.push(...resultLines(result, command.showTypes));
      for (const [name, value] of sink.parameters) actor.output.push(`${name} = ${value}`);
    };
    try {
      if (command.verb === '') await session.simpleQuery(command.text, sink);
      else await this.#extended(command, session, sink, actor);
    } catch (error) {
      finish();
      throw error;
    }
    finish();
    if (command.mustFail) actor.output.push(`!! expected to fail: ${command.line}`);
  }

  async #extended(
    command: Command,
    session: Session,
    sink: CollectingSink,
    actor: Actor,
  ): Promise<void> {
    const [verb = '', name = '', ...words] = command.verb.trim().split(/\s+/);
    try {
      if (verb === 'prepare') {
        await session.parse(name, command.text, []);
        const { parameterTypes, columns } = await session.describeStatement(name);
        const shown = columns?.map((c) => `${c.name}:${formatType(c.type)}`).join(', ') ?? 'none';
        actor.output.push(`(${parameterTypes.map(formatType).join(', ')}) -> ${shown}`);
      } else {
        const max = /max=(\d+)/.exec(command.verb)?.[1];
        if (verb === 'execute') {
          const { parameterTypes } = await session.describeStatement(name);
          const values = words.filter((word) => !word.startsWith('max='));
          const decoded = values.map((word, i) => {
            const type = parameterTypes[i];
            if (word === 'null' || type === undefined) return null;
            return decodeText(type, word.replaceAll('_', ' '), session.format());
          });
          await session.bind('', name, decoded);
        }
        sink.useColumns(await session.describePortal(''));
        await session.execute('', Number(max ?? 0), max === undefined, sink);
      }
      if (!command.verb.includes('max=')) await session.sync();
    } catch (error) {
      session.fail();
      await session.sync();
      throw error;
    }
  }

  #isBlocked(actor: Actor): boolean {
    return actor.running !== undefined;
  }

  async #actor(name: string): Promise<Actor> {
    let actor = this.#actors.get(name);
    if (actor === undefined) {
      actor = { session: await this.#harness.open(), running: undefined, output: [] };
      this.#actors.set(name, actor);
    }
    return actor;
  }
}

function parseCommands(lines: readonly string[]): Command[] {
  const commands: Command[] = [];
  for (const line of lines) {
    if (line.startsWith('#')) continue;
    const last = commands.at(-1);
    if (line.startsWith('  ') && last !== undefined) {
      last.text += '\n' + line.slice(2);
      continue;
    }
    if (line === '|' || line.startsWith('| ')) {
      if (last === undefined) throw new Error(`data without COPY: ${line}`);
      last.data.push(line.slice(2));
      continue;
    }
    const match = COMMAND.exec(line);
    if (match === null) throw new Error(`cannot read: ${line}`);
    const [, actor = '', fail, types, verb = '', mark, text = ''] = match;
    if (verb === '' && mark === undefined) throw new Error(`unknown command: ${line}`);
    commands.push({
      ...{ line, actor, verb: verb.trim(), text, data: [] },
      mustFail: fail === '!',
      showTypes: types === 'types',
    });
  }
  return commands;
}

function resultLines(result: Result, showTypes: boolean): string[] {
  const lines: string[] = [];
  if (showTypes && result.columns !== undefined) {
    lines.push(result.columns.map((c) => `${c.name}:${formatType(c.type)}`).join(', '));
  }
  for (const row of result.rows) lines.push(row.map((value) => value ?? 'NULL').join('|'));
  if (result.tag !== undefined) lines.push(result.tag);
  // An empty line would end the block.
  return lines
    .flatMap((line) => line.split('\n'))
    .map((line) => (line === '' ? '(empty text)' : line));
}

function errorLines(error: SqlError): string[] {
  const at = error.position === undefined ? '' : ` at ${error.position}`;
  const lines = [`ERROR ${error.sqlState}: ${error.message}${at}`];
  if (error.detail !== undefined)
    lines.push(`  DETAIL: ${error.detail.replaceAll('\n', '\n    ')}`);
  if (error.context !== undefined) lines.push(`  CONTEXT: ${error.context}`);
  if (error.hint !== undefined) lines.push(`  HINT: ${error.hint}`);
  return lines.flatMap((line) => line.split('\n'));
}

function firstDifference(expected: string, actual: string): string {
  const a = expected.split('\n');
  const b = actual.split('\n');
  for (let i = 0; i < Math.max(a.length, b.length); i++) {
    if (a[i] === b[i]) continue;
    const context = a.slice(Math.max(0, i - 8), i).map((line) => `  ${line}`);
    return [`line ${i + 1}`, ...context, `- ${a[i] ?? '(end)'}`, `+ ${b[i] ?? '(end)'}`].join('\n');
  }
  return 'same';
}
