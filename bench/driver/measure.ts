/**
 * One measurement, from loading to the check. The window begins when the warm-up has ended and ends by the clock;
 * operations under way then are waited for and not counted. The nodes are observed just before and just after it, so
 * counters and processor time contain a few milliseconds more than the window.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Workload } from '../workload.ts';
import { SessionWorker } from './client.ts';
import { Load } from './load.ts';
import { usageBetween } from './observe.ts';
import { SeededRandom } from './random.ts';
import { Recorder } from './recorder.ts';
import type { DriverUsage, Measurement } from './result.ts';
import { SharedSessions } from './shared-session.ts';
import type { DriverSession, Measure, MeasureOptions, Target } from './target.ts';

/** Operations under way after the window get this long; then their connections are closed. */
const DRAIN_MAX_MS = 30_000;
const RSS_INTERVAL_MS = 1000;
/** Stalls of the driver are looked for this often. */
const STALL_RESOLUTION_MS = 10;
/** Sets the stream of due moments apart from the clients' streams. */
const SCHEDULE_STREAM = 1_000_000;

export const measure: Measure = async (target, workload, options) => {
  if (options.isLoading !== false) {
    await withSession(target, (session) => workload.load(session));
  }
  const workers = await makeWorkers(target, workload, options);
  let windowed: Windowed;
  try {
    windowed = await runWindow(target, workers, options);
  } finally {
    for (const worker of workers) worker.close();
  }
  const violations =
    options.isChecking === false
      ? []
      : await withSession(target, (session) => workload.check(session));
  const { clients, connections, rate } = options;
  return {
    workload: workload.name,
    parameters: {
      ...options.parameters,
      ...{ clients, ...(connections === undefined ? {} : { connections }) },
      ...(rate === undefined ? {} : { rate }),
    },
    target: target.name,
    repetition: options.repetition ?? 1,
    mode: rate === undefined ? 'closed' : 'open',
    clients,
    rate,
    units: options.units,
    ...windowed,
    violations,
  };
};

/** One session, closed whatever comes of its use. */
export async function withSession<T>(
  target: Target,
  use: (session: DriverSession) => Promise<T>,
): Promise<T> {
  const session = await target.connect(0, 1);
  try {
    return await use(session);
  } finally {
    session.close();
  }
}

async function makeWorkers(
  target: Target,
  workload: Workload,
  options: MeasureOptions,
): Promise<SessionWorker[]> {
  const { clients } = options;
  const seed = seedOf(options);
  const opened: DriverSession[] = [];
  try {
    const workers: SessionWorker[] = [];
    const connectAt = connectorOf(target, options);
    for (let i = 0; i < clients; i++) {
      const connect = (): Promise<DriverSession> => connectAt(i);
      const session = await connect();
      opened.push(session);
      const random = new SeededRandom(seed, i);
      const client = workload.client(i, clients, random);
      workers.push(new SessionWorker(client, random, session, connect));
    }
    return workers;
  } catch (error) {
    for (const session of opened) session.close();
    throw error;
  }
}

/** By the index of the client. */
function connectorOf(
  target: Target,
  { clients, connections }: MeasureOptions,
): (client: number) => Promise<DriverSession> {
  if (connections === undefined) return (client) => target.connect(client, clients);
  const shared = new SharedSessions(connections, (index) => target.connect(index, connections));
  return (client) => shared.lease(client);
}

function seedOf({ seed, repetition }: MeasureOptions): number {
  return (seed ?? 1) + (repetition ?? 1) - 1;
}

type Windowed = Omit<
  Measurement,
  | 'workload'
  | 'parameters'
  | 'target'
  | 'repetition'
  | 'mode'
  | 'clients'
  | 'rate'
  | 'units'
  | 'violations'
>;

async function runWindow(
  target: Target,
  workers: readonly SessionWorker[],
  options: MeasureOptions,
): Promise<Windowed> {
  const { rate, retriesMax = 0 } = options;
  const schedule = new SeededRandom(seedOf(options), SCHEDULE_STREAM);
  const recorder = new Recorder();
  const load = new Load(workers, { rate, retriesMax, random: () => schedule.next() }, recorder);
  load.start();
  await Promise.race([sleep(options.warmUpSeconds * 1000), load.ended]);
  const watch = new WindowWatch(target);
  const before = await target.observe();
  watch.begin();
  load.beginWindow();
  const startedAt = performance.now();
  await Promise.race([sleep(options.seconds * 1000), load.ended]);
  const backlog = load.endWindow();
  const seconds = (performance.now() - startedAt) / 1000;
  const driver = watch.end(recorder, rate !== undefined);
  const after = await target.observe();
  await drain(load, workers);
  return {
    seconds: Number(seconds.toFixed(3)),
    operations: recorder.operations,
    throughput: Number((recorder.operations / seconds).toFixed(2)),
    latency: recorder.latency,
    serviceTime: rate === undefined ? undefined : recorder.serviceTime,
    backlog: rate === undefined ? undefined : backlog,
    errors: recorder.errors,
    retries: recorder.retries,
    driver,
    nodes: usageBetween(before, after, watch.rssMax),
  };
}

async function drain(load: Load, workers: readonly SessionWorker[]): Promise<void> {
  const timer = setTimeout(() => {
    for (const worker of workers) worker.close();
  }, DRAIN_MAX_MS);
  try {
    await load.stop();
  } finally {
    clearTimeout(timer);
  }
}

/** What goes on beside the clients in the window: resident sizes once a second, and what the driver itself uses. */
class WindowWatch {
  readonly #target: Target;
  readonly #stalls = monitorEventLoopDelay({ resolution: STALL_RESOLUTION_MS });
  readonly rssMax: (number | undefined)[] = [];
  #timer: NodeJS.Timeout | undefined;
  #cpu = process.cpuUsage();

  constructor(target: Target) {
    this.#target = target;
  }

  begin(): void {
    this.#cpu = process.cpuUsage();
    this.#stalls.enable();
    this.#timer = setInterval(() => this.#sample(), RSS_INTERVAL_MS);
  }

  end(recorder: Recorder, isOpen: boolean): DriverUsage {
    clearInterval(this.#timer);
    this.#stalls.disable();
    const { user, system } = process.cpuUsage(this.#cpu);
    const stallMax = this.#stalls.max / 1000 - STALL_RESOLUTION_MS * 1000;
    return {
      cpuSeconds: (user + system) / 1e6,
      stallMax: Math.max(0, Math.round(stallMax)),
      startDelay: isOpen ? recorder.delay : undefined,
    };
  }

  #sample(): void {
    for (const [i, bytes] of this.#target.sampleRss().entries()) {
      if (bytes !== undefined) this.rssMax[i] = Math.max(bytes, this.rssMax[i] ?? 0);
    }
  }
}
