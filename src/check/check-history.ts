/**
 * Is a history strictly serializable? It is not if the dependencies between its transactions, and the order of those
 * of which one ended before the other began, have a cycle; the cycle with the fewest kinds of edges gives the anomaly
 * its name. Time and memory grow with the history, not with its square.
 */
import type { Anomaly, AnomalyName } from './anomaly.ts';
import { Findings, MEANINGS, describe, nameOf } from './anomaly.ts';
import { addDependencies, keyHistories } from './dependencies.ts';
import type { EdgeKind, Step } from './graph.ts';
import { DependencyGraph } from './graph.ts';
import type { HistoryEvent, Transaction } from './history.ts';
import { TransactionCollector } from './history.ts';

export interface Verdict {
  readonly isStrictlySerializable: boolean;
  readonly transactionCount: number;
  /** Acknowledged, refused, unknown. */
  readonly counts: Readonly<Record<Transaction['outcome'], number>>;
  readonly anomalies: readonly Anomaly[];
}

/** Throws `HistoryError` for what is not a history. */
export function checkHistory(events: Iterable<HistoryEvent>): Verdict {
  const collector = new TransactionCollector();
  for (const event of events) collector.add(event);
  return checkTransactions(collector.transactions);
}

export function checkTransactions(transactions: readonly Transaction[]): Verdict {
  const findings = new Findings();
  const graph = new DependencyGraph();
  for (let i = 0; i < transactions.length; i++) graph.addNode();
  for (const history of keyHistories(transactions, findings)) {
    addDependencies(graph, history, findings);
  }
  addTimeLine(graph, transactions);
  findCycles(graph, transactions, findings);
  const counts = { ok: 0, fail: 0, info: 0 };
  for (const { outcome } of transactions) counts[outcome]++;
  const { anomalies } = findings;
  const isStrictlySerializable = anomalies.length === 0;
  return { isStrictlySerializable, transactionCount: transactions.length, counts, anomalies };
}

/** The verdict in words. */
export function explain(verdict: Verdict): string {
  const { ok, fail, info } = verdict.counts;
  const head = `${verdict.transactionCount} transactions: ${ok} ok, ${fail} failed, ${info} unknown`;
  if (verdict.isStrictlySerializable) return `${head}\nstrictly serializable\n`;
  const stories = verdict.anomalies.map(
    ({ name, story }) =>
      `${name}: ${MEANINGS[name]}\n${story.map((line) => `  ${line}\n`).join('')}`,
  );
  return `${head}\nNOT strictly serializable\n\n${stories.join('\n')}`;
}

/**
 * Real time, with as many edges as transactions: a chain of the moments at which transactions ended; each is led to
 * from those that ended then, and leads to those that began after it and before the next.
 */
function addTimeLine(graph: DependencyGraph, transactions: readonly Transaction[]): void {
  const ended = transactions
    .filter((txn) => txn.outcome === 'ok')
    .sort((a, b) => a.completedAt - b.completedAt);
  const begun = transactions
    .filter((txn) => txn.outcome !== 'fail')
    .sort((a, b) => a.invokedAt - b.invokedAt);
  let at = 0;
  let moment: number | undefined;
  for (const txn of begun) {
    for (
      let end = ended[at];
      end !== undefined && end.completedAt < txn.invokedAt;
      end = ended[at]
    ) {
      const node = graph.addHelper();
      if (moment !== undefined) graph.addEdge(moment, node, 'rt');
      graph.addEdge(end.id, node, 'rt');
      moment = node;
      at++;
    }
    if (moment !== undefined) graph.addEdge(moment, txn.id, 'rt');
  }
}

interface Search {
  readonly name: AnomalyName;
  readonly kinds: ReadonlySet<EdgeKind>;
  /** The cycle has exactly one of these: the rest of it is of the other kinds. */
  readonly single?: EdgeKind;
}

const SEARCHES: readonly Search[] = [
  { name: 'G0', kinds: new Set(['ww']) },
  { name: 'G1c', kinds: new Set(['ww', 'wr']) },
  { name: 'G-single', kinds: new Set(['ww', 'wr', 'rw']), single: 'rw' },
  { name: 'G2', kinds: new Set(['ww', 'wr', 'rw']) },
  { name: 'G0-realtime', kinds: new Set(['ww', 'rt']) },
  { name: 'G1c-realtime', kinds: new Set(['ww', 'wr', 'rt']) },
  { name: 'G-single-realtime', kinds: new Set(['ww', 'wr', 'rw', 'rt']), single: 'rw' },
  { name: 'G2-realtime', kinds: new Set(['ww', 'wr', 'rw', 'rt']) },
];

/** From so many nodes of a component the shortest cycle is looked for. */
const STARTS_MAX = 100;

function findCycles(
  graph: DependencyGraph,
  transactions: readonly Transaction[],
  findings: Findings,
): void {
  const all = graph.components(new Set<EdgeKind>(['ww', 'wr', 'rw', 'rt']));
  if (all.length === 0) return;
  for (const search of SEARCHES) {
    const components = graph.components(search.kinds).sort((a, b) => a.length - b.length);
    for (const component of components.slice(0, 3)) {
      const cycle = shortestCycle(graph, new Set(component), search);
      if (cycle !== undefined) findings.add(search.name, ...tell(cycle, transactions));
    }
    // What follows finds the same cycles again.
    if (findings.count(search.name) > 0) return;
  }
}

function shortestCycle(
  graph: DependencyGraph,
  component: ReadonlySet<number>,
  { kinds, single }: Search,
): Step[] | undefined {
  let best: Step[] | undefined;
  const others = new Set([...kinds].filter((kind) => kind !== single));
  let starts = 0;
  for (const from of component) {
    if (single === undefined) {
      if (starts++ >= STARTS_MAX) break;
      const cycle = graph.path(from, from, kinds, component);
      if (cycle !== undefined && lengthOf(graph, cycle) < lengthOf(graph, best)) best = cycle;
      continue;
    }
    for (const edge of graph.from(from)) {
      if (edge.kind !== single || !component.has(edge.to)) continue;
      if (starts++ >= STARTS_MAX) return best;
      // A helper node stands between two halves of one dependency.
      const back = closing(graph, edge.to, from, { others, component });
      if (back === undefined || lengthOf(graph, back) + 1 >= lengthOf(graph, best)) continue;
      best = [{ from, edge }, ...back];
    }
  }
  return best;
}

/** How many transactions it goes through. */
function lengthOf(graph: DependencyGraph, steps: readonly Step[] | undefined): number {
  if (steps === undefined) return Infinity;
  return steps.filter(({ from }) => !graph.isHelper(from)).length;
}

/** The way back to the beginning of a single edge, whose second half may still be to go. */
function closing(
  graph: DependencyGraph,
  from: number,
  to: number,
  search: {
    readonly others: ReadonlySet<EdgeKind>;
    readonly component: ReadonlySet<number>;
  },
): Step[] | undefined {
  const { others, component } = search;
  const direct = graph.path(from, to, others, component);
  if (direct !== undefined) return direct;
  let best: Step[] | undefined;
  if (!graph.isHelper(from)) return undefined;
  for (const edge of graph.from(from)) {
    if (!component.has(edge.to)) continue;
    const back = graph.path(edge.to, to, others, component);
    if (back !== undefined && lengthOf(graph, back) + 1 < lengthOf(graph, best)) {
      best = [{ from, edge }, ...back];
    }
  }
  return best;
}

/* ---------- words ---------- */

function tell(cycle: readonly Step[], transactions: readonly Transaction[]): string[] {
  // Begin with the first transaction, then leave out the helpers: an edge's kind and key are those of its last half.
  const first = cycle.reduce(
    (least, { from }, i) => (from < (cycle[least]?.from ?? Infinity) ? i : least),
    0,
  );
  const turned = [...cycle.slice(first), ...cycle.slice(0, first)];
  const lines: string[] = [];
  const members: Transaction[] = [];
  let from: Transaction | undefined;
  for (const step of turned) {
    const begin = transactions[step.from];
    if (begin !== undefined) {
      from = begin;
      members.push(begin);
    }
    const to = transactions[step.edge.to];
    if (from !== undefined && to !== undefined) lines.push(sentence(from, to, step));
  }
  return [...new Set(members)].map(describe).concat(lines, 'So each of them comes before itself.');
}

function sentence(from: Transaction, to: Transaction, { edge }: Step): string {
  const [a, b] = [nameOf(from), nameOf(to)];
  const key = edge.key ?? '';
  switch (edge.kind) {
    case 'ww':
      return `${a} comes before ${b}: ${b} has written ${key} after it.`;
    case 'wr':
      return `${a} comes before ${b}: ${b} has read what it wrote to ${key}.`;
    case 'rw':
      return `${a} comes before ${b}: it has read ${key} without what ${b} wrote.`;
    case 'rt':
      return `${a} comes before ${b}: it was acknowledged at ${from.completedAt}, ${b} was asked for at ${to.invokedAt}.`;
  }
}
