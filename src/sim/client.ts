/**
 * A client of a simulated node: statements of text through a real session, without a socket between. What a node was
 * doing when it was killed is never answered; a client that has waited for too long takes its connection for lost.
 */
import { SqlError } from '../../sql/errors/sql-error.ts';
import type { PreparedDescription, Session } from '../../sql/session/session-api.ts';
import type { Datum } from '../../sql/types/datum.ts';
import type { EmbeddedCluster } from './cluster.ts';
import type { Result } from './collecting-sink.ts';
import { CollectingSink } from './collecting-sink.ts';
import type { SimProcess, SimWorld } from './world.ts';

export class ConnectionLost extends Error {
  override readonly name = 'ConnectionLost';
}

/** What a client knows of a transaction in the end. */
export type Outcome<T> =
  | { readonly kind: 'ok'; readonly value: T }
  /** It has not taken effect, and never will. */
  | { readonly kind: 'fail'; readonly sqlState: string }
  | { readonly kind: 'unknown' };

interface Connection {
  readonly node: number;
  readonly session: Session;
  readonly process: SimProcess;
  readonly onCommit: () => void;
  readonly also: readonly string[];
}

const PATIENCE_MS = 20_000;
/** What a client of a cluster in trouble has to expect. */
const EXPECTED = ['40001', '40P01', '40003', '55P03', '57P01', '57P03', '58000'];
/** The outcome is not known. */
const AMBIGUOUS = '40003';

export class SimClient {
  /** Where its session is. */
  readonly node: number;
  readonly #world: SimWorld;
  readonly #session: Session;
  readonly #process: SimProcess;
  readonly #onCommit: () => void;
  readonly #also: readonly string[];
  /** Names of statements that the session has parsed. */
  readonly #parsed = new Set<string>();
  /** Whoever waits for an answer is told that there will be none. */
  #onLost: (() => void) | undefined;
  #isLost = false;

  /** Throws `ConnectionLost`, or `SqlError`. `also`: further SQLSTATEs that this client has to expect. */
  static async connect(
    world: SimWorld,
    cluster: EmbeddedCluster,
    nodeId: number,
    also: readonly string[] = [],
  ): Promise<SimClient> {
    const { sessions, process } = cluster.at(nodeId);
    if (sessions === undefined || process === undefined) {
      throw new ConnectionLost(`node ${nodeId} is down`);
    }
    const fatal: { report?: () => void } = {};
    const opening = new Promise<Session>((resolve, reject) => {
      process.run(() => {
        sessions
          .open({
            ...{ user: 'quorate', database: 'quorate', parameters: new Map(), processId: 1 },
            onFatal: () => fatal.report?.(),
          })
          .then(resolve, reject);
      });
    });
    const session = await patiently(world, opening);
    const client = new SimClient(world, {
      ...{ node: nodeId, session, process, also },
      onCommit: () => cluster.onCommit?.(nodeId),
    });
    fatal.report = () => (client.#isLost = true);
    return client;
  }

  private constructor(world: SimWorld, connection: Connection) {
    const { node, session, process, onCommit, also } = connection;
    this.#world = world;
    this.node = node;
    this.#session = session;
    this.#process = process;
    this.#onCommit = onCommit;
    this.#also = also;
    process.onLeave.add(this.#leave);
  }

  /** As the server ends a connection when its node stops. */
  readonly #leave = (): void => {
    this.close();
    this.#onLost?.();
  };

  get isLost(): boolean {
    return this.#isLost || !this.#process.isAlive;
  }

  /** The rows of the last statement. Throws `SqlError`, or `ConnectionLost`. */
  async query(text: string): Promise<(string | null)[][]> {
    return (await this.execute(text)).at(-1)?.rows ?? [];
  }

  /** The results of all statements; `copyInput` is what COPY FROM STDIN is sent, in pieces. */
  async execute(text: string, copyInput: readonly string[] = []): Promise<readonly Result[]> {
    const sink = new CollectingSink(() => this.#session.format());
    sink.copyInput = copyInput.map((piece) => Buffer.from(piece));
    // An error may be thrown at once.
    await this.#ask(async () => this.#session.simpleQuery(text, sink));
    return sink.results;
  }

  /** Of the session; throws `ConnectionLost` when there is no answer. */
  async #ask(call: () => Promise<void>): Promise<void> {
    if (this.isLost) throw new ConnectionLost('the node is gone');
    const answer = new Promise<void>((resolve, reject) => {
      this.#process.run(() => {
        call().then(resolve, reject);
      });
      this.#onLost = () => reject(new ConnectionLost('the node stops'));
    });
    await patiently(this.#world, answer).catch((error: unknown) => {
      if (error instanceof ConnectionLost) this.#isLost = true;
      throw error;
    });
  }

  /** BEGIN, the body, COMMIT. Throws what no client has to expect; `also` names further SQLSTATEs that it does. */
  async transaction<T>(body: () => Promise<T>, also: readonly string[] = []): Promise<Outcome<T>> {
    let isCommitting = false;
    try {
      await this.query('BEGIN');
      const value = await body();
      isCommitting = true;
      this.#onCommit();
      const [result] = await this.execute('COMMIT');
      // PostgreSQL answers so to the COMMIT of a block that has failed.
      if (result?.tag === 'ROLLBACK') return { kind: 'fail', sqlState: '25P02' };
      return { kind: 'ok', value };
    } catch (error) {
      const outcome = outcomeOf<T>(error, isCommitting, [...also, ...this.#also]);
      if (!this.isLost) await this.query('ROLLBACK').catch(() => (this.#isLost = true));
      return outcome;
    }
  }

  /** One statement outside of a block. */
  async single(text: string, also: readonly string[] = []): Promise<Outcome<Result>> {
    try {
      const [value] = await this.execute(text);
      return { kind: 'ok', value: value ?? { columns: undefined, rows: [], tag: undefined } };
    } catch (error) {
      return outcomeOf<Result>(error, true, also);
    }
  }

  /**
   * A prepared statement on one row, with the parameters of each time it is sent, without waiting for answers in between;
   * what became of each.
   */
  async pipeline(
    { name, text }: { readonly name: string; readonly text: string },
    parameters: readonly (readonly Datum[])[],
  ): Promise<readonly Outcome<Result>[]> {
    const outcomes: Outcome<Result>[] = [];
    const units = parameters.map((each) => ({ statement: name, parameters: each }));
    let sink: CollectingSink | undefined;
    let columns: PreparedDescription['columns'];
    const answers = {
      begin: (): CollectingSink => {
        sink = new CollectingSink(() => this.#session.format());
        sink.useColumns(columns);
        return sink;
      },
      end: (error: unknown): boolean => {
        const [value] = sink?.results ?? [];
        if (error === undefined && value !== undefined) outcomes.push({ kind: 'ok', value });
        else outcomes.push(outcomeOf<Result>(error, true, this.#also));
        return !this.isLost;
      },
    };
    try {
      await this.#ask(async () => {
        if (!this.#parsed.has(name)) await this.#session.parse(name, text, []);
        this.#parsed.add(name);
        columns = (await this.#session.describeStatement(name)).columns;
      });
      await this.#ask(() => this.#session.pipeline(units, answers));
    } catch (error) {
      // Nothing was sent, or the connection is lost.
      const rest = outcomeOf<Result>(error, true, this.#also);
      while (outcomes.length < units.length) outcomes.push(rest);
    }
    return outcomes;
  }

  close(): void {
    this.#process.onLeave.delete(this.#leave);
    if (this.#process.isAlive) this.#process.run(() => this.#session.close());
    this.#isLost = true;
  }
}

/** The same, of what was found. */
export function mapOutcome<T, U>(outcome: Outcome<T>, map: (value: T) => U): Outcome<U> {
  return outcome.kind === 'ok' ? { kind: 'ok', value: map(outcome.value) } : outcome;
}

/** Errors before COMMIT was asked for leave no doubt: the block ends with its connection. */
function outcomeOf<T>(error: unknown, isCommitting: boolean, also: readonly string[]): Outcome<T> {
  if (error instanceof ConnectionLost) {
    return isCommitting ? { kind: 'unknown' } : { kind: 'fail', sqlState: '08006' };
  }
  if (!isExpected(error, also)) throw error;
  const { sqlState } = error;
  if (isCommitting && sqlState === AMBIGUOUS) return { kind: 'unknown' };
  return { kind: 'fail', sqlState };
}

/** Something that a client of a cluster in trouble has to live with. */
export function isExpected(error: unknown, also: readonly string[] = []): error is SqlError {
  if (!(error instanceof SqlError)) return false;
  return EXPECTED.includes(error.sqlState) || also.includes(error.sqlState);
}

function patiently<T>(world: SimWorld, answer: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const event = world.after(PATIENCE_MS, () => reject(new ConnectionLost('no answer')));
    answer.then(resolve, reject).finally(() => (event.fn = undefined));
  });
}
