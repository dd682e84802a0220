/**
 * The extended query protocol (chapter 55.2.3): Parse, Bind, Describe, Execute, Close, as calls of the session. What is
 * the wire's own here: parameter decoding by the statement's types, the result formats of a portal, and the encoder of
 * its rows.
 */
import type { MaybePromise } from '../base/maybe-promise.ts';
import { isPromise, thenMaybe } from '../base/maybe-promise.ts';
import { SqlError } from '../../sql/errors/sql-error.ts';
import type { PreparedDescription, ResultColumn, Session } from '../../sql/session/session-api.ts';
import { decodeBinary } from '../../sql/types/binary-format.ts';
import type { Datum } from '../../sql/types/datum.ts';
import type { SqlType } from '../../sql/types/sql-type.ts';
import { decodeText } from '../../sql/types/text-format.ts';
import type { BackendEncoder } from './backend-encoder.ts';
import { formatOf } from './backend-encoder.ts';
import type { FrontendDecoder, FrontendMessage } from './frontend-decoder.ts';
import { ProtocolError, decodeUtf8 } from './frontend-decoder.ts';
import type { BindMessage, PipelinePorts } from './pipelined-statements.ts';
import { PipelinedStatements } from './pipelined-statements.ts';
import type { WireSink } from './wire-sink.ts';

type ExtendedMessage = Extract<
  FrontendMessage,
  { kind: 'parse' | 'bind' | 'describe' | 'execute' | 'close' }
>;

const NO_FORMATS: readonly number[] = [];

export class ExtendedProtocol {
  readonly #session: Session;
  readonly #sink: WireSink;
  readonly #out: BackendEncoder;
  /** Result formats by portal, from Bind to its end. */
  readonly #formats = new Map<string, readonly number[]>();

  readonly #pipelined: PipelinedStatements;

  constructor(ports: Omit<PipelinePorts, 'parametersOf'>) {
    this.#session = ports.session;
    this.#sink = ports.sink;
    this.#out = ports.out;
    this.#pipelined = new PipelinedStatements({
      ...ports,
      parametersOf: (bind, description) => this.#parametersOf(bind, description),
    });
  }

  handle(message: ExtendedMessage, input: FrontendDecoder): MaybePromise<void> {
    switch (message.kind) {
      case 'parse':
        return thenMaybe(this.#session.parse(message.name, message.text, message.typeOids), () =>
          this.#out.empty('1'),
        );
      case 'bind': {
        const several = this.#pipelined.begin(message);
        if (several === undefined) return this.#onBind(message);
        return several.then((left) => (left === undefined ? undefined : this.handle(left, input)));
      }
      case 'describe':
        return message.what === 'S'
          ? this.#describeStatement(message.name)
          : this.#describePortal(message.name);
      case 'execute':
        return this.#execute(message.portal, message.maxRows, input.isSyncNext());
      case 'close':
        if (message.what === 'S') this.#session.closeStatement(message.name);
        else {
          this.#session.closePortal(message.name);
          this.#formats.delete(message.name);
        }
        this.#out.empty('3');
        return undefined;
    }
  }

  /** Outside a block a Sync ends all portals. */
  onSynced(): void {
    if (this.#session.status === 'I') this.#formats.clear();
  }

  #onBind(message: BindMessage): MaybePromise<void> {
    const description = this.#session.describeStatement(message.statement);
    if (!isPromise(description)) return this.#bind(message, description);
    return description.then((found) => this.#bind(message, found));
  }

  #bind(message: BindMessage, description: PreparedDescription): MaybePromise<void> {
    const parameters = this.#parametersOf(message, description);
    const { portal, statement, resultFormats } = message;
    const bound = this.#session.bind(portal, statement, parameters);
    if (isPromise(bound)) return bound.then(() => this.#onBound(portal, resultFormats));
    this.#onBound(portal, resultFormats);
    return undefined;
  }

  #parametersOf(message: BindMessage, description: PreparedDescription): Datum[] {
    const types = description.parameterTypes;
    const { values, formats, resultFormats } = message;
    if (values.length !== types.length) {
      throw new ProtocolErrorOfStatement(
        `bind message supplies ${values.length} parameters, but prepared statement ` +
          `"${message.statement}" requires ${types.length}`,
      );
    }
    if (formats.length > 1 && formats.length !== values.length) {
      throw new ProtocolError(
        `bind message has ${formats.length} parameter formats but ${values.length} parameters`,
      );
    }
    const columnCount = description.columns?.length ?? 0;
    if (resultFormats.length > 1 && resultFormats.length !== columnCount) {
      throw new ProtocolErrorOfStatement(
        `bind message has ${resultFormats.length} result formats but query has ` +
          `${columnCount} columns`,
      );
    }
    const parameters: Datum[] = [];
    for (let i = 0; i < values.length; i++) {
      const type = types[i];
      if (type === undefined) break;
      parameters.push(this.#decode(type, values[i] ?? null, formatOf(formats, i)));
    }
    return parameters;
  }

  #onBound(portal: string, resultFormats: readonly number[]): void {
    this.#formats.set(portal, resultFormats);
    this.#out.empty('2');
  }

  #decode(type: SqlType, value: Buffer | null, format: number): Datum {
    if (value === null) return null;
    if (format === 1) return decodeBinary(type, value);
    return decodeText(type, decodeUtf8(value), this.#session.format());
  }

  #describeStatement(name: string): MaybePromise<void> {
    return thenMaybe(this.#session.describeStatement(name), ({ parameterTypes, columns }) => {
      this.#out.parameterDescription(parameterTypes);
      if (columns === undefined) this.#out.empty('n');
      else this.#out.rowDescription(columns, []);
    });
  }

  #describePortal(name: string): MaybePromise<void> {
    return thenMaybe(this.#session.describePortal(name), (columns) => {
      if (columns === undefined) this.#out.empty('n');
      else this.#out.rowDescription(columns, this.#formats.get(name) ?? []);
    });
  }

  #execute(portal: string, maxRows: number, isLastBeforeSync: boolean): MaybePromise<void> {
    const columns = this.#session.describePortal(portal);
    if (!isPromise(columns)) return this.#run(portal, columns, maxRows, isLastBeforeSync);
    return columns.then((found) => this.#run(portal, found, maxRows, isLastBeforeSync));
  }

  #run(
    portal: string,
    columns: readonly ResultColumn[] | undefined,
    maxRows: number,
    isLastBeforeSync: boolean,
  ): MaybePromise<void> {
    const formats = this.#formats.get(portal) ?? NO_FORMATS;
    this.#sink.useExtendedProtocol(this.#session, columns, formats);
    return this.#session.execute(portal, maxRows, isLastBeforeSync, this.#sink);
  }
}

/** 08P01 that Postgres raises as an ERROR of the statement, not as the end of the connection. */
class ProtocolErrorOfStatement extends SqlError {
  constructor(message: string) {
    super('08P01', message);
  }
}
