/** The naive meaning of the version store: a list of versions, searched from end to end. */
import type { TxnId } from '../../../src/base/ids.ts';
import type { Key, Span } from '../../../src/base/span.ts';
import { spanContains } from '../../../src/base/span.ts';
import type { Timestamp } from '../../../src/base/timestamp.ts';

export interface ModelVersion {
  readonly key: Key;
  readonly ts: Timestamp;
  readonly txnId: TxnId;
  readonly value: string | undefined;
}

export class MvccModel {
  #versions: ModelVersion[] = [];

  apply(version: ModelVersion): void {
    const isKnown = this.#versions.some(
      (v) => v.key === version.key && v.ts === version.ts && v.txnId === version.txnId,
    );
    if (!isKnown) this.#versions.push(version);
  }

  clear(span: Span): void {
    this.#versions = this.#versions.filter(({ key }) => !spanContains(span, key));
  }

  /** In key order, newest first. */
  dump(span: Span): ModelVersion[] {
    return this.#versions
      .filter(({ key }) => spanContains(span, key))
      .sort((a, b) =>
        a.key !== b.key
          ? compare(a.key, b.key)
          : a.ts !== b.ts
            ? b.ts - a.ts
            : compare(a.txnId, b.txnId),
      );
  }

  at(key: Key, ts: Timestamp): ModelVersion | undefined {
    return this.dump({ start: key, end: (key + '\0') as Key }).find((v) => v.ts <= ts);
  }

  rows(span: Span, ts: Timestamp): { key: Key; value: string }[] {
    const keys = [...new Set(this.dump(span).map(({ key }) => key))];
    return keys.flatMap((key) => {
      const value = this.at(key, ts)?.value;
      return value === undefined ? [] : [{ key, value }];
    });
  }

  hasNewer(span: Span, afterTs: Timestamp): boolean {
    return this.dump(span).some(({ ts }) => ts > afterTs);
  }

  newestTs(key: Key): number {
    return this.at(key, Number.MAX_SAFE_INTEGER as Timestamp)?.ts ?? 0;
  }
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
