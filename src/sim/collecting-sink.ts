/** A `ResultSink` that keeps what it is given, as text. */
import type { Notice, ResultColumn, ResultSink } from '../../sql/session/session-api.ts';
import type { Datum } from '../../sql/types/datum.ts';
import type { FormatContext } from '../../sql/types/format-context.ts';
import { encodeText } from '../../sql/types/text-format.ts';

export interface Result {
  columns: readonly ResultColumn[] | undefined;
  rows: (string | null)[][];
  tag: string | undefined;
}

/** Keeps results as text. `isFlushed` true says that everything has gone to the client at once. */
export class CollectingSink implements ResultSink {
  readonly results: Result[] = [];
  readonly notices: Notice[] = [];
  readonly parameters: (readonly [string, string])[] = [];
  readonly events: string[] = [];
  copyInput: Uint8Array[] = [];
  copyOutput = '';
  isFlushed = false;
  #columns: readonly ResultColumn[] | undefined;
  #rows: (string | null)[][] = [];
  #begin = 0;
  #beginNotices = 0;
  #format: () => FormatContext;

  constructor(format: () => FormatContext) {
    this.#format = format;
  }

  columns(columns: readonly ResultColumn[]): void {
    this.#columns = columns;
  }

  /** A portal has been described before it is executed. */
  useColumns(columns: readonly ResultColumn[] | undefined): void {
    this.#columns = columns;
  }

  row(values: readonly Datum[]): void {
    const columns = this.#columns ?? [];
    this.#rows.push(
      values.map((value, i) => {
        const column = columns[i];
        if (value === null || column === undefined) return null;
        return encodeText(column.type, value, this.#format());
      }),
    );
  }

  complete(tag: string): void {
    this.#push(tag);
  }

  suspended(): void {
    this.#push('(suspended)');
  }

  empty(): void {
    this.#push('(empty)');
  }

  notice(notice: Notice): void {
    this.notices.push(notice);
  }

  parameter(name: string, value: string): void {
    this.parameters.push([name, value]);
  }

  beginResults(): void {
    this.#begin = this.results.length;
    this.#beginNotices = this.notices.length;
  }

  hasSentResults(): boolean {
    return this.isFlushed && this.results.length > this.#begin;
  }

  discardResults(): void {
    this.events.push('retry');
    this.results.length = this.#begin;
    this.notices.length = this.#beginNotices;
    this.#columns = undefined;
    this.#rows = [];
    this.copyOutput = '';
  }

  async *copyIn(): AsyncIterable<Uint8Array> {
    const input = this.copyInput;
    this.copyInput = [];
    for (const chunk of input) {
      await Promise.resolve();
      yield chunk;
    }
  }

  copyOut(): void {
    this.copyOutput = '';
  }

  copyData(bytes: Uint8Array): void {
    this.copyOutput += Buffer.from(bytes).toString('utf8');
  }

  copyDone(): void {
    if (this.copyOutput === '') return;
    for (const line of this.copyOutput.replace(/\n$/, '').split('\n')) this.#rows.push([line]);
    this.copyOutput = '';
  }

  #push(tag: string): void {
    this.results.push({ columns: this.#columns, rows: this.#rows, tag });
    this.#columns = undefined;
    this.#rows = [];
  }
}
