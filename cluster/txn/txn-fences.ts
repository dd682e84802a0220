/**
 * What a transaction has to do with schema versions: those it has set (bumps), and those its writes were planned with,
 * which the commit checks. Both carry the sequence number of the write they belong to, so that ROLLBACK TO drops them.
 */
import type { TableFence } from '../../src/kv/kv-client.ts';

interface Numbered extends TableFence {
  readonly seq: number;
}

/** What nothing has been put in yet; never changed. */
const NO_FENCES: readonly TableFence[] = [];
const NO_BUMPS: ReadonlyMap<number, number> = new Map();

export class TxnFences {
  #bumps: Numbered[] = [];
  #planned: Numbered[] = [];

  get hasBumps(): boolean {
    return this.#bumps.length > 0;
  }

  bump(tableId: number, version: number, seq: number): void {
    this.#bumps.push({ tableId, version, seq });
  }

  /** Newest version set, by table. */
  bumps(): ReadonlyMap<number, number> {
    if (this.#bumps.length === 0) return NO_BUMPS;
    return new Map(this.#bumps.map(({ tableId, version }) => [tableId, version]));
  }

  /** What a write was planned with, after the write of number `seq`; true: for the first time. */
  notePlanned({ tableId, version }: TableFence, seq: number): boolean {
    for (const known of this.#planned) {
      if (known.tableId === tableId && known.version === version) return false;
    }
    this.#planned.push({ tableId, version, seq });
    return true;
  }

  /** What is left to the commit to check. */
  planned(): readonly TableFence[] {
    return this.#planned.filter((fence) => this.asked(fence).length > 0);
  }

  /** Own schema changes: their fences are locked, and both versions are this transaction's to use. */
  asked(table: TableFence | undefined): readonly TableFence[] {
    if (table === undefined) return NO_FENCES;
    if (this.#bumps.length === 0) return [table];
    return this.#bumps.some(({ tableId }) => tableId === table.tableId) ? NO_FENCES : [table];
  }

  rollbackTo(writeSeq: number): void {
    this.#bumps = this.#bumps.filter(({ seq }) => seq <= writeSeq);
    this.#planned = this.#planned.filter(({ seq }) => seq < writeSeq);
  }
}
