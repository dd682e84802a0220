/**
 * `npm run chaos`: a cluster of real processes under real clients (the `pg` driver, pgbench), while nodes are killed
 * and stopped, links are cut, clocks jump and a disk is full (docs/testing.md). Needs no privilege; what this machine
 * cannot do is left out, and said. Exit code 0: what clients were told is strictly serializable, nothing acknowledged
 * is missing, the books agree. How fast the cluster went on is reported, and no reason to fail.
 */
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import type { Random } from '../../src/env/env.ts';
import { seededRandom } from '../../src/sim/world.ts';
import { MAIN, ProcessCluster } from '../support/process-cluster.ts';
import { Availability, quantile } from './availability.ts';
import { ChaosClients } from './clients.ts';
import { FakeClock, findFakeTime } from './fake-clock.ts';
import type { Fault, Hit, Room } from './faults.ts';
import { FAULTS, begin, heal, setUpBallast } from './faults.ts';
import { PgbenchLoad, hasPgbench } from './pgbench-load.ts';
import type { Round } from './report.ts';
import { lineOf, summary } from './report.ts';
import { SmallDisk } from './small-disk.ts';

const DISK_BYTES = 1 << 30;
const CALM_MS = 2500;
const SETTLE_MS = 4000;

interface Options {
  readonly minutes: number;
  readonly seed: number;
  readonly nodes: number;
  readonly faults: readonly Fault[];
  readonly hasPgbench: boolean;
  /** Where the history and the nodes' logs stay. */
  readonly dir: string;
}

class Chaos {
  readonly #options: Options;
  readonly #random: Random;
  readonly #availability = new Availability();
  readonly #clocks = new Map<number, FakeClock>();
  readonly #rounds: Round[] = [];
  #disk: Room['disk'];

  constructor(options: Options) {
    this.#options = options;
    this.#random = seededRandom(options.seed);
  }

  async run(): Promise<number> {
    const { nodes, dir } = this.#options;
    fs.mkdirSync(dir, { recursive: true });
    const historyFile = path.join(dir, 'history.jsonl');
    const cluster = await ProcessCluster.start({
      ...{ nodes, hasRelays: true },
      prepare: (node) => this.#prepare(node.id, node.dir),
    });
    try {
      const clients = new ChaosClients(cluster, {
        ...{ random: this.#random, availability: this.#availability, historyFile },
      });
      const pgbench = this.#options.hasPgbench ? new PgbenchLoad(cluster) : undefined;
      const problems = await this.#play(cluster, clients, pgbench);
      const check = spawnSync(process.execPath, [MAIN, 'check', historyFile], { encoding: 'utf8' });
      say(check.stdout.trim());
      if (check.status !== 0) problems.push(`the history in ${historyFile} does not hold`);
      say(summary(this.#rounds));
      for (const problem of problems) say(`WRONG: ${problem}`);
      say(`the history and the nodes' logs: ${dir}`);
      say(problems.length === 0 ? 'everything held' : 'something did not hold');
      return problems.length === 0 ? 0 : 1;
    } finally {
      keepLogs(cluster, this.#disk, dir);
      await cluster.stop();
      this.#disk?.disk.close();
    }
  }

  async #prepare(
    id: number,
    dir: string,
  ): Promise<{ prefix: readonly string[]; environment: Readonly<Record<string, string>> }> {
    const { faults, nodes } = this.#options;
    let environment: Readonly<Record<string, string>> = {};
    let prefix: readonly string[] = [];
    const library = faults.includes('clock jump') ? findFakeTime() : undefined;
    if (library !== undefined) {
      const clock = new FakeClock(library, path.join(path.dirname(dir), `clock${id}`));
      this.#clocks.set(id, clock);
      ({ environment } = clock);
    }
    if (id === nodes && faults.includes('full disk')) {
      const disk = await SmallDisk.mount(dir, DISK_BYTES);
      if (disk !== undefined) {
        this.#disk = { node: id, disk };
        ({ prefix } = disk);
      }
    }
    return { prefix, environment };
  }

  /** What does not hold, in words. */
  async #play(
    cluster: ProcessCluster,
    clients: ChaosClients,
    pgbench: PgbenchLoad | undefined,
  ): Promise<string[]> {
    await clients.setUp();
    await pgbench?.setUp();
    if (this.#disk !== undefined) await setUpBallast(cluster);
    await clients.spreadLeaders();
    clients.start();
    pgbench?.start();
    const kinds = this.#possible();
    await pause(SETTLE_MS);
    const end = performance.now() + this.#options.minutes * 60_000;
    for (let at = 0; performance.now() < end || at < 1; at++) {
      const fault = kinds[at % kinds.length];
      if (fault === undefined) break;
      await this.#round(fault, cluster, clients);
    }
    await clients.stop();
    await pgbench?.stop();
    const audit = await pgbench?.audit();
    if (audit !== undefined) say(`pgbench: ${audit.transfers} transactions`);
    return [
      ...new Set(clients.surprises),
      ...(audit?.problem === undefined ? [] : [audit.problem]),
    ];
  }

  /** All that this machine can do, in an order of this seed. */
  #possible(): Fault[] {
    const { faults } = this.#options;
    const missing = new Set<Fault>();
    if (this.#clocks.size === 0) missing.add('clock jump');
    if (this.#disk === undefined) missing.add('full disk');
    for (const fault of faults) if (missing.has(fault)) say(`not possible here: ${fault}`);
    const kinds = faults.filter((fault) => !missing.has(fault));
    for (let i = kinds.length - 1; i > 0; i--) {
      const j = this.#random.int(0, i);
      [kinds[i], kinds[j]] = [kinds[j] as Fault, kinds[i] as Fault];
    }
    return kinds;
  }

  async #round(fault: Fault, cluster: ProcessCluster, clients: ChaosClients): Promise<void> {
    const availability = this.#availability;
    const calmFromMs = performance.now();
    await pause(CALM_MS);
    const leader = await this.#busiestLeader(clients, calmFromMs);
    const room: Room = {
      ...{ cluster, clients, leader, random: this.#random },
      ...{ clocks: this.#clocks, disk: this.#disk },
    };
    const askedMs = performance.now();
    const hit = await begin(fault, room);
    if (hit === undefined) return;
    const fromMs = hit.beganMs ?? askedMs;
    await pause(hit.holdMs);
    const toMs = performance.now();
    await heal(room);
    const healedMs = performance.now() - toMs;
    // What was waiting for the end of it counts as well.
    await pause(500);
    const untilMs = performance.now();
    const round: Round = {
      ...{ fault, words: hit.words, healedMs },
      gapMs: availability.longestGapMs(fromMs, toMs),
      resumedMs: resumed(availability, hit, fromMs, toMs),
      answerMs:
        hit.minority === undefined
          ? undefined
          : availability.slowestAnswerMs(hit.minority, fromMs, toMs),
      p99Ms: quantile(availability.latenciesMs(fromMs, untilMs), 0.99),
      calmP99Ms: quantile(availability.latenciesMs(calmFromMs, fromMs), 0.99),
    };
    this.#rounds.push(round);
    say(lineOf(round));
  }

  async #busiestLeader(clients: ChaosClients, sinceMs: number): Promise<Room['leader']> {
    const led = await clients.led();
    const counts = [...this.#availability.busiest(sinceMs)].sort((a, b) => b[1] - a[1]);
    for (const [range] of counts) {
      for (const [node, ranges] of led) if (ranges.has(range)) return { node, ranges };
    }
    return { node: 1, ranges: led.get(1) ?? new Set() };
  }
}

function resumed(
  availability: Availability,
  { ranges }: Hit,
  fromMs: number,
  toMs: number,
): Round['resumedMs'] {
  if (ranges === undefined) return undefined;
  return availability.resumedMs(fromMs, toMs, ranges) ?? Infinity;
}

/** Those of nodes on a disk of their own are found through it. */
function keepLogs(cluster: ProcessCluster, small: Room['disk'], dir: string): void {
  for (const node of cluster.nodes) {
    const from = small?.node === node.id ? small.disk.pathOf(node.dir) : node.dir;
    const to = path.join(dir, `node${node.id}.log`);
    if (fs.existsSync(path.join(from, 'log'))) fs.copyFileSync(path.join(from, 'log'), to);
  }
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

function usage(text: string): never {
  process.stderr.write(`chaos: ${text}\n`);
  process.exit(1);
}

function readOptions(): Options {
  const { values } = parseArgs({
    options: {
      minutes: { type: 'string', default: '5' },
      seed: { type: 'string', default: '1' },
      nodes: { type: 'string', default: '3' },
      faults: { type: 'string', default: FAULTS.join(',') },
      pgbench: { type: 'string', default: 'auto' },
      dir: { type: 'string' },
    },
  });
  const numberOf = (name: 'minutes' | 'seed' | 'nodes', min: number, max: number): number => {
    const value = Number(values[name]);
    return value >= min && value <= max
      ? value
      : usage(`--${name} takes a number from ${min} to ${max}`);
  };
  const faults = values.faults.split(',').map((name) => {
    const fault = FAULTS.find((each) => each === name.trim());
    return fault ?? usage(`there is no fault "${name}": name some of ${FAULTS.join(', ')}`);
  });
  return {
    ...{ faults, minutes: numberOf('minutes', 0, 10_000), nodes: numberOf('nodes', 3, 7) },
    seed: numberOf('seed', 1, 0xffffffff),
    hasPgbench: values.pgbench !== 'off' && hasPgbench(),
    dir: values.dir ?? fs.mkdtempSync(path.join(os.tmpdir(), 'quorate-chaos-')),
  };
}

process.exitCode = await new Chaos(readOptions()).run();
