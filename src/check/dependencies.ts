/**
 * From operations to dependencies (Adya, "Weak Consistency", 1999; Kingsbury and Alvaro, "Elle", VLDB 2020).
 *
 * A list tells the order of its writes: every read of it shows all of them so far, so each is the beginning of the
 * longest one. What is appended and in no read comes after all that was read. A register tells less: a transaction that
 * has read a value and writes another follows the one it has read; the first write follows nothing; and of two writes
 * of which one was acknowledged before the other was asked for, the second follows, or the history is wrong anyway.
 * Everything that is concluded is true of every legal execution, so no anomaly is reported that is none; a register's
 * history may have some that nothing shows.
 */
import type { Scalar, Transaction } from './history.ts';
import { HistoryError } from './history.ts';
import type { Findings } from './anomaly.ts';
import { nameOf } from './anomaly.ts';
import type { DependencyGraph } from './graph.ts';

interface Write {
  readonly txn: Transaction;
  readonly value: Scalar;
  /** The last of its transaction to this key. */
  isFinal: boolean;
}

/** The first read of a key in a transaction, before its own writes to it. */
interface Read<T> {
  readonly txn: Transaction;
  readonly value: T;
}

export interface KeyHistory {
  readonly key: string;
  kind: 'list' | 'register' | undefined;
  readonly writes: Map<Scalar, Write>;
  readonly lists: Read<readonly Scalar[]>[];
  readonly registers: Read<Scalar | null>[];
  /** Transactions that were acknowledged, or of which somebody has read something: of all keys. */
  readonly committed: ReadonlySet<Transaction>;
}

/** Operations by key, after what each transaction must see of its own has been checked. */
export function keyHistories(
  transactions: readonly Transaction[],
  findings: Findings,
): KeyHistory[] {
  const keys = new Map<string, KeyHistory>();
  const committed = new Set<Transaction>();
  for (const txn of transactions) {
    if (txn.outcome === 'ok') committed.add(txn);
    if (txn.outcome === 'ok') checkInternal(txn, findings);
    const last = new Map<string, Write>();
    const touched = new Set<string>();
    for (const [kind, key, value] of txn.ops) {
      const history = keyOf(keys, key, committed);
      if (kind === 'r') {
        const isFirst = !touched.has(key);
        touched.add(key);
        if (txn.outcome !== 'ok') continue;
        if (Array.isArray(value)) expectKind(history, 'list');
        else if (value !== null) expectKind(history, 'register');
        if (Array.isArray(value)) history.lists.push({ txn, value: value as readonly Scalar[] });
        else if (isFirst) history.registers.push({ txn, value: value as Scalar | null });
        continue;
      }
      expectKind(history, kind === 'append' ? 'list' : 'register');
      touched.add(key);
      const known = history.writes.get(value);
      if (known !== undefined) throw new HistoryError(`${value} is written to ${key} twice`);
      const write: Write = { txn, value: value, isFinal: true };
      const before = last.get(key);
      if (before !== undefined) before.isFinal = false;
      last.set(key, write);
      history.writes.set(write.value, write);
    }
  }
  for (const history of keys.values()) {
    if (history.kind !== 'list') continue;
    // An empty list may be read as null.
    for (const { txn } of history.registers) history.lists.push({ txn, value: [] });
    history.registers.length = 0;
  }
  for (const history of keys.values()) noteRead(history, committed);
  return [...keys.values()];
}

function keyOf(
  keys: Map<string, KeyHistory>,
  key: string,
  committed: ReadonlySet<Transaction>,
): KeyHistory {
  let history = keys.get(key);
  if (history === undefined) {
    history = { key, kind: undefined, writes: new Map(), lists: [], registers: [], committed };
    keys.set(key, history);
  }
  return history;
}

function expectKind(history: KeyHistory, kind: 'list' | 'register'): void {
  history.kind ??= kind;
  if (history.kind !== kind) throw new HistoryError(`${history.key} is a list and a register`);
}

function noteRead({ writes, lists, registers }: KeyHistory, committed: Set<Transaction>): void {
  const note = (value: Scalar | null): void => {
    const txn = value === null ? undefined : writes.get(value)?.txn;
    if (txn?.outcome === 'info') committed.add(txn);
  };
  for (const { value } of registers) note(value);
  for (const { value } of lists) value.forEach(note);
}

/** A transaction sees what it has read before, and what it has done since. */
function checkInternal(txn: Transaction, findings: Findings): void {
  if (txn.ops.some(([kind]) => kind === 'r') && txn.ops.length > 1) checkFuture(txn, findings);
  const registers = new Map<string, Scalar | null>();
  const lists = new Map<string, { known: readonly Scalar[] | undefined; own: Scalar[] }>();
  for (const [kind, key, value] of txn.ops) {
    const list = lists.get(key);
    if (kind === 'w') registers.set(key, value);
    else if (kind === 'append') {
      if (list === undefined) lists.set(key, { known: undefined, own: [value] });
      else list.own.push(value);
    } else if (Array.isArray(value) || list !== undefined) {
      const read = (value ?? []) as readonly Scalar[];
      const { known, own } = list ?? { known: undefined, own: [] };
      const before = read.slice(0, read.length - own.length);
      const isRight =
        own.every((each, i) => read[before.length + i] === each) &&
        read.length >= own.length &&
        (known === undefined ||
          (known.length === before.length && known.every((each, i) => before[i] === each)));
      if (!isRight) complain(txn, key, value, findings);
      lists.set(key, { known: read, own: [] });
    } else {
      const expected = registers.get(key);
      if (expected !== undefined && expected !== value) complain(txn, key, value, findings);
      registers.set(key, value as Scalar | null);
    }
  }
}

/** Nothing is read before it is written, not by who writes it either. */
function checkFuture(txn: Transaction, findings: Findings): void {
  const later = new Map<string, Set<Scalar>>();
  for (const [kind, key, value] of txn.ops.toReversed()) {
    const own = later.get(key);
    if (kind !== 'r') {
      if (own === undefined) later.set(key, new Set([value]));
      else own.add(value);
    } else if (own !== undefined) {
      const read = (Array.isArray(value) ? value : [value]) as readonly (Scalar | null)[];
      if (read.some((each) => each !== null && own.has(each))) complain(txn, key, value, findings);
    }
  }
}

function complain(txn: Transaction, key: string, value: unknown, findings: Findings): void {
  findings.add(
    'internal',
    `${nameOf(txn)} read ${key} as ${JSON.stringify(value)}, which is not what it had read and written before.`,
  );
}

/** Adds the edges of a key; `nodes` of transactions are their ids. */
export function addDependencies(
  graph: DependencyGraph,
  history: KeyHistory,
  findings: Findings,
): void {
  if (history.kind === 'list') addList(graph, history, findings);
  else addRegister(graph, history, findings);
}

/* ---------- lists ---------- */

function addList(graph: DependencyGraph, history: KeyHistory, findings: Findings): void {
  const { key, writes } = history;
  let longest: readonly Scalar[] = [];
  for (const { value } of history.lists) if (value.length > longest.length) longest = value;
  if (!checkLists(history, longest, findings)) return;
  const writers = longest.map((value) => writes.get(value)?.txn);
  for (let i = 0; i + 1 < writers.length; i++) link(graph, writers[i], writers[i + 1], 'ww', key);
  const read = new Set(longest);
  const unread = [...writes.values()].filter(
    ({ txn, value }) => history.committed.has(txn) && !read.has(value),
  );
  addUnread(graph, history, unread, { last: writers.at(-1), length: longest.length });
  for (const { txn, value } of history.lists) {
    const own = ownSuffix(history, txn, value);
    const seen = value.length - own;
    if (seen > 0) link(graph, writers[seen - 1], txn, 'wr', key);
    if (own === 0 && seen < longest.length) link(graph, txn, writers[seen], 'rw', key);
    if (own > 0 && value.length < longest.length)
      link(graph, txn, writers[value.length], 'rw', key);
  }
}

/** How many values at the end of a read its own transaction has appended. */
function ownSuffix({ writes }: KeyHistory, txn: Transaction, value: readonly Scalar[]): number {
  let own = 0;
  while (own < value.length && writes.get(value[value.length - 1 - own] ?? '')?.txn === txn) own++;
  return own;
}

/** Appends in no read follow all that was read: the last writer, and whoever has read the whole list. */
function addUnread(
  graph: DependencyGraph,
  history: KeyHistory,
  unread: readonly Write[],
  end: { readonly last: Transaction | undefined; readonly length: number },
): void {
  if (unread.length === 0) return;
  const tail = graph.addHelper();
  const writers = new Set(unread.map(({ txn }) => txn));
  for (const txn of writers) graph.addEdge(tail, txn.id, 'rw', history.key);
  if (end.last !== undefined) {
    for (const txn of writers) link(graph, end.last, txn, 'ww', history.key);
  }
  let both = 0;
  for (const { txn, value } of history.lists) {
    if (value.length < end.length) continue;
    if (!writers.has(txn)) graph.addEdge(txn.id, tail, 'rw', history.key);
    // Of those who have read all and appended, two are a circle already.
    else if (both++ < 2) for (const other of writers) link(graph, txn, other, 'rw', history.key);
  }
}

/** False: the order of the writes is not known. */
function checkLists(
  { key, lists, writes }: KeyHistory,
  longest: readonly Scalar[],
  findings: Findings,
): boolean {
  let isOrdered = true;
  const places = new Map<Scalar, number>();
  longest.forEach((value, i) => {
    if (places.has(value)) {
      findings.add('duplicated write', `${key} holds ${value} twice: ${JSON.stringify(longest)}.`);
      isOrdered = false;
    }
    places.set(value, i);
  });
  let firstComplete = Infinity;
  for (const { txn, value } of lists) {
    firstComplete = Math.min(firstComplete, txn.invokedAt);
    for (const [i, each] of value.entries()) {
      const write = writes.get(each);
      if (write === undefined) {
        findings.add('phantom value', `${nameOf(txn)} read ${each} in ${key}: nobody appended it.`);
        isOrdered = false;
      } else if (write.txn.outcome === 'fail') {
        const what = `${nameOf(txn)} read ${each} in ${key}, appended by ${nameOf(write.txn)}`;
        findings.add('G1a', `${what}, which was not committed.`);
      }
      if (longest[i] === each) continue;
      findings.add(
        'incompatible order',
        `${nameOf(txn)} read ${key} as ${JSON.stringify(value)}, another as ${JSON.stringify(longest)}.`,
      );
      isOrdered = false;
      break;
    }
    const last = writes.get(value.at(-1) ?? '');
    if (last !== undefined && !last.isFinal && last.txn !== txn) {
      const what = `${nameOf(txn)} read ${key} up to ${last.value}`;
      findings.add('G1b', `${what}, after which ${nameOf(last.txn)} has appended more.`);
    }
  }
  findLost({ key, lists, writes }, places, findings);
  return isInOwnOrder(key, writes, places, findings) && isOrdered;
}

/** The writes of one transaction stand in its own order, and none without those before it. */
function isInOwnOrder(
  key: string,
  writes: KeyHistory['writes'],
  places: ReadonlyMap<Scalar, number>,
  findings: Findings,
): boolean {
  const last = new Map<Transaction, { readonly value: Scalar; readonly place: number }>();
  let isInOrder = true;
  for (const { txn, value } of writes.values()) {
    const before = last.get(txn);
    const place = places.get(value) ?? Infinity;
    last.set(txn, { value, place });
    if (before === undefined || place === Infinity || before.place < place) continue;
    const what = `${nameOf(txn)} appended ${before.value} and then ${value} to ${key}`;
    findings.add(
      'incompatible order',
      `${what}; they were read in another order, or the second alone.`,
    );
    isInOrder = false;
  }
  return isInOrder;
}

/** Acknowledged, in no read at all, and somebody asked afterwards. */
function findLost(
  { key, lists, writes }: Pick<KeyHistory, 'key' | 'lists' | 'writes'>,
  places: ReadonlyMap<Scalar, number>,
  findings: Findings,
): void {
  let latest: Transaction | undefined;
  for (const { txn } of lists) if (txn.invokedAt > (latest?.invokedAt ?? -1)) latest = txn;
  if (latest === undefined) return;
  for (const { txn, value } of writes.values()) {
    const isLost = txn.outcome === 'ok' && !places.has(value) && txn.completedAt < latest.invokedAt;
    if (!isLost) continue;
    findings.add(
      'lost write',
      `${nameOf(txn)} appended ${value} to ${key}, acknowledged at ${txn.completedAt};`,
      `${nameOf(latest)} asked at ${latest.invokedAt} and did not find it, nor did anybody else.`,
    );
  }
}

/* ---------- registers ---------- */

function addRegister(graph: DependencyGraph, history: KeyHistory, findings: Findings): void {
  const { key, writes, registers } = history;
  const committed = [...writes.values()].filter(
    ({ txn, isFinal }) => isFinal && history.committed.has(txn),
  );
  const readersOf = new Map<Scalar | null, Transaction[]>();
  for (const { txn, value } of registers) {
    const readers = readersOf.get(value) ?? [];
    readers.push(txn);
    readersOf.set(value, readers);
    if (value === null) continue;
    const write = writes.get(value);
    if (write === undefined) {
      findings.add('phantom value', `${nameOf(txn)} read ${key} = ${value}: nobody wrote it.`);
    } else if (write.txn.outcome === 'fail') {
      const what = `${nameOf(txn)} read ${key} = ${value}, written by ${nameOf(write.txn)}`;
      findings.add('G1a', `${what}, which was not committed.`);
    } else if (!write.isFinal && write.txn !== txn) {
      const what = `${nameOf(txn)} read ${key} = ${value}`;
      findings.add('G1b', `${what}, which ${nameOf(write.txn)} has replaced itself.`);
    } else link(graph, write.txn, txn, 'wr', key);
  }
  const later = laterWriters(committed);
  const finalOf = new Map(committed.map((write) => [write.txn, write]));
  for (const [value, readers] of readersOf) {
    const writer = value === null ? undefined : writes.get(value)?.txn;
    const followers = readers.filter((txn) => finalOf.has(txn));
    const next = writer === undefined ? undefined : later(writer);
    for (const follower of followers) link(graph, writer, follower, 'ww', key);
    for (const reader of readers) {
      // Of those who have read a value and replaced it, two are a circle already.
      for (const follower of followers.slice(0, 2)) link(graph, reader, follower, 'rw', key);
      if (next !== undefined) link(graph, reader, next, 'rw', key);
    }
  }
  addInitial(graph, key, readersOf.get(null) ?? [], committed);
}

/** Whoever found nothing comes before all who have written. */
function addInitial(
  graph: DependencyGraph,
  key: string,
  readers: readonly Transaction[],
  committed: readonly Write[],
): void {
  if (readers.length === 0 || committed.length === 0) return;
  const start = graph.addHelper();
  const writers = new Set(committed.map(({ txn }) => txn));
  for (const txn of writers) graph.addEdge(start, txn.id, 'rw', key);
  let both = 0;
  for (const reader of readers) {
    if (!writers.has(reader)) graph.addEdge(reader.id, start, 'rw', key);
    else if (both++ < 2) for (const writer of writers) link(graph, reader, writer, 'rw', key);
  }
}

/** Of the writers asked after one was acknowledged, the one acknowledged first. */
function laterWriters(
  committed: readonly Write[],
): (writer: Transaction) => Transaction | undefined {
  const byStart = committed.map(({ txn }) => txn).sort((a, b) => a.invokedAt - b.invokedAt);
  const firstToEnd: Transaction[] = [];
  for (let i = byStart.length - 1; i >= 0; i--) {
    const txn = byStart[i];
    const after = firstToEnd[i + 1];
    if (txn !== undefined) {
      firstToEnd[i] = after !== undefined && after.completedAt < txn.completedAt ? after : txn;
    }
  }
  return (writer) => {
    let low = 0;
    let high = byStart.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((byStart[middle]?.invokedAt ?? 0) > writer.completedAt) high = middle;
      else low = middle + 1;
    }
    return firstToEnd[low];
  };
}

function link(
  graph: DependencyGraph,
  from: Transaction | undefined,
  to: Transaction | undefined,
  kind: 'ww' | 'wr' | 'rw',
  key: string,
): void {
  if (from !== undefined && to !== undefined) graph.addEdge(from.id, to.id, kind, key);
}
