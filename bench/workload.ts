/**
 * What a workload is: its tables, what one client does over and over, and what must hold afterwards. A workload knows
 * no target, rate, clock or report; a driver knows no table.
 */

/** Text of a value in a parameter or a result; `null` is NULL. */
export type Field = string | null;

/** A statement that is prepared once per session and run by its name from then on. */
export interface Statement {
  readonly name: string;
  readonly text: string;
}

export interface Result {
  readonly rows: readonly (readonly Field[])[];
  /** The command tag, for example `INSERT 0 1`. */
  readonly tag: string;
}

/** The server answered with an error, or the connection ended (class 08). */
export class SqlFailure extends Error {
  override readonly name = 'SqlFailure';

  readonly sqlState: string;

  constructor(sqlState: string, message: string) {
    super(message);
    this.sqlState = sqlState;
  }
}

/** One connection to the database that is measured. One call at a time; each rejects with a `SqlFailure`. */
export interface Session {
  /** A statement of the extended protocol with text parameters: one round trip. */
  execute(statement: Statement, values: readonly Field[]): Promise<Result>;
  /** Several statements before one Sync: one round trip; together one transaction unless they say otherwise. */
  pipeline(calls: readonly (readonly [Statement, readonly Field[]])[]): Promise<Result[]>;
  /** A Query message; one result per statement. */
  query(text: string): Promise<Result[]>;
  /** `COPY ... FROM STDIN`: sends the chunks at the pace the server takes them. */
  copyIn(text: string, chunks: Iterable<string>): Promise<Result>;
}

/** A repeatable stream of numbers, one per client. */
export interface Random {
  /** Uniform in [0, 1). */
  next(): number;
  /** A uniform integer in [min, max]. */
  between(min: number, max: number): number;
}

/** What one simulated user does. Its state is its own. */
export interface Client {
  /**
   * One operation: a transaction, or a statement that is one. Returns its kind, under which its latency is reported.
   * Rejects with a `SqlFailure`; the session is in no transaction block afterwards (the driver rolls back).
   */
  run(session: Session): Promise<string>;
}

export interface Workload {
  readonly name: string;
  /** One sentence for reports. */
  readonly summary: string;
  /** Makes and fills the tables, dropping what an earlier run left. */
  load(session: Session): Promise<void>;
  /** The client with this index of so many. */
  client(index: number, count: number, random: Random): Client;
  /** Checks the data after the clients have stopped: what was violated, one sentence each; nothing when all holds. */
  check(session: Session): Promise<readonly string[]>;
}
