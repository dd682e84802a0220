/**
 * Statements that the client has sent one behind the other, each with a Sync of its own, without waiting for answers:
 * those that may be begun together are taken from the input as far as it goes, and handed to the session as one.
 *
 * Answers are those of statements that come one by one, in their order. Bounded by count and bytes: the rest stays in the
 * input. What cannot be taken so is left to be handled as it comes, errors included.
 */
import { isPromise } from '../base/maybe-promise.ts';
import type {
  BoundStatement,
  PipelineKind,
  PreparedDescription,
  ResultColumn,
  Session,
} from '../../sql/session/session-api.ts';
import type { Datum } from '../../sql/types/datum.ts';
import type { BackendEncoder } from './backend-encoder.ts';
import type { FrontendDecoder, FrontendMessage } from './frontend-decoder.ts';
import type { WireSink } from './wire-sink.ts';

export type BindMessage = Extract<FrontendMessage, { kind: 'bind' }>;

export interface PipelinePorts {
  readonly session: Session;
  readonly sink: WireSink;
  readonly out: BackendEncoder;
  readonly input: FrontendDecoder;
  /** Takes from `input`. */
  nextMessage(): FrontendMessage | undefined;
  /** Throws what is wrong with the message. */
  parametersOf(bind: BindMessage, description: PreparedDescription): Datum[];
  /** Ends the connection. */
  terminate(error: unknown): void;
  /** Tells the client of an error. */
  report(error: unknown): void;
  isClosed(): boolean;
}

const STATEMENTS_MAX = 64;
const BYTES_MAX = 256 * 1024;
const NO_FORMATS: readonly number[] = [];

interface Unit extends BoundStatement {
  readonly kind: PipelineKind;
  readonly bytes: number;
  readonly columns: readonly ResultColumn[] | undefined;
  readonly resultFormats: readonly number[];
  readonly isDescribed: boolean;
}

export class PipelinedStatements {
  readonly #ports: PipelinePorts;

  constructor(ports: PipelinePorts) {
    this.#ports = ports;
  }

  /** Undefined: this one is not followed by another, and nothing was taken. The promise has the Bind that was left over. */
  begin(bind: BindMessage): Promise<BindMessage | undefined> | undefined {
    const { input } = this.#ports;
    const rest = input.statementAhead();
    if (rest === undefined || !input.isBindAhead(rest)) return undefined;
    const first = this.#unitOf(bind);
    return first === undefined ? undefined : this.#run(first);
  }

  async #run(first: Unit): Promise<BindMessage | undefined> {
    const { session, sink, out, input } = this.#ports;
    const units: Unit[] = [];
    let left: BindMessage | undefined;
    let failure: Error | undefined;
    let bytes = 0;
    for (let unit: Unit | undefined = first; unit !== undefined;) {
      this.#takeRest(unit);
      units.push(unit);
      bytes += unit.bytes;
      if (units.length >= STATEMENTS_MAX || bytes >= BYTES_MAX) break;
      if (!input.isBindAhead(undefined)) break;
      try {
        left = this.#ports.nextMessage() as BindMessage;
      } catch (error) {
        failure = error instanceof Error ? error : new Error(String(error));
        break;
      }
      const next: Unit | undefined = this.#unitOf(left);
      unit = next?.kind === first.kind ? next : undefined;
      if (unit !== undefined) left = undefined;
    }
    const sending = session.pipeline(units, {
      begin: (index) => {
        const { columns, resultFormats = NO_FORMATS, isDescribed = false } = units[index] ?? {};
        out.empty('2');
        if (isDescribed && columns === undefined) out.empty('n');
        if (isDescribed && columns !== undefined) out.rowDescription(columns, resultFormats);
        sink.useExtendedProtocol(session, columns, resultFormats);
        return sink;
      },
      end: (error) => {
        if (error !== undefined) this.#ports.report(error);
        if (this.#ports.isClosed()) return false;
        out.readyForQuery(session.status);
        return true;
      },
    });
    try {
      await sending;
    } catch (error) {
      // How many of them have been answered nobody knows any more.
      this.#ports.terminate(error);
    }
    if (this.#ports.isClosed()) return undefined;
    // Of a message behind them, which has had to wait for its turn.
    if (failure !== undefined) throw failure;
    return left;
  }

  #takeRest({ isDescribed }: Unit): void {
    for (let left = isDescribed ? 3 : 2; left > 0; left--) this.#ports.nextMessage();
  }

  #unitOf(bind: BindMessage): Unit | undefined {
    const { session, input } = this.#ports;
    const rest = input.statementAhead();
    const { portal, statement, resultFormats } = bind;
    if (rest === undefined || portal !== '') return undefined;
    const kind = session.pipelineKindOf(statement);
    if (kind === undefined) return undefined;
    const description = session.describeStatement(statement);
    if (isPromise(description)) return undefined;
    const bytes = bind.values.reduce((sum, value) => sum + (value?.length ?? 0), 0);
    try {
      const parameters = this.#ports.parametersOf(bind, description);
      const { columns } = description;
      const isDescribed = rest === 'described';
      return { kind, statement, parameters, bytes, columns, resultFormats, isDescribed };
    } catch {
      // Said when it is handled as it comes.
      return undefined;
    }
  }
}
