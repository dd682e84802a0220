/** What a checker finds wrong with a history. */
import type { Transaction } from './history.ts';

export type AnomalyName =
  | 'internal'
  | 'phantom value'
  | 'duplicated write'
  | 'lost write'
  | 'incompatible order'
  | 'G1a'
  | 'G1b'
  | 'G0'
  | 'G1c'
  | 'G-single'
  | 'G2'
  | 'G0-realtime'
  | 'G1c-realtime'
  | 'G-single-realtime'
  | 'G2-realtime';

export interface Anomaly {
  readonly name: AnomalyName;
  /** Sentences. */
  readonly story: readonly string[];
}

export const MEANINGS: Readonly<Record<AnomalyName, string>> = {
  internal: 'a transaction does not see its own operations',
  'phantom value': 'something was read that nobody has written',
  'duplicated write': 'something was written once and is there twice',
  'lost write': 'something acknowledged was not there any more',
  'incompatible order': 'two reads of a list cannot both have happened',
  G1a: 'something was read that was never committed',
  G1b: 'something was read that its transaction has replaced before it committed',
  G0: 'transactions overwrite each other in a circle',
  G1c: 'transactions depend on what each other has written, in a circle',
  'G-single': 'a transaction has seen only a part of what another has done',
  G2: 'transactions have each missed what another has written',
  'G0-realtime': 'writes took effect in another order than they were acknowledged in',
  'G1c-realtime': 'something was read before it was written, by the clock',
  'G-single-realtime': 'something was read that was out of date when the reading began',
  'G2-realtime': 'the order of transactions contradicts the order of their times',
};

/** Keeps the first few anomalies of each name: a broken history has thousands. */
export class Findings {
  readonly anomalies: Anomaly[] = [];
  readonly #counts = new Map<AnomalyName, number>();
  readonly #max: number;

  constructor(max = 3) {
    this.#max = max;
  }

  add(name: AnomalyName, ...story: string[]): void {
    const count = (this.#counts.get(name) ?? 0) + 1;
    this.#counts.set(name, count);
    if (count <= this.#max) this.anomalies.push({ name, story });
  }

  count(name: AnomalyName): number {
    return this.#counts.get(name) ?? 0;
  }
}

export function nameOf(txn: Transaction): string {
  return `T${txn.id}`;
}

export function describe(txn: Transaction): string {
  const ops = txn.ops.map(([kind, key, value]) => {
    if (kind === 'r') return `read ${key} = ${JSON.stringify(value)}`;
    return kind === 'append' ? `append ${value} to ${key}` : `write ${value} to ${key}`;
  });
  const end = txn.completedAt === Infinity ? txn.outcome : `ok at ${txn.completedAt}`;
  return `${nameOf(txn)} (process ${txn.process}, from ${txn.invokedAt}, ${end}): ${ops.join(', ')}`;
}
