/**
 * Histories for the checker's tests: transactions are executed one after the other, so the history is right; then each
 * gets an interval around its moment, so that many overlap. `spoil` changes something that a client saw.
 */
import type { HistoryEvent, Operation, Scalar } from '../../src/check/history.ts';
import type { Random } from '../../src/env/env.ts';

export interface Shape {
  readonly kind: 'list' | 'register';
  readonly transactions: number;
  readonly keys: number;
  readonly opsMax: number;
  readonly processes: number;
  /** How many moments an interval may reach to either side. */
  readonly spread: number;
  readonly infoRate: number;
  readonly failRate: number;
  /** Lists begin anew, under another name, once they have so many values. */
  readonly listMax: number;
}

interface Made {
  readonly process: number;
  readonly type: 'ok' | 'fail' | 'info';
  from: number;
  to: number;
  ops: Operation[];
}

const TICKS = 10;

export function makeHistory(random: Random, shape: Shape): HistoryEvent[] {
  return eventsOf(execute(random, shape), shape.processes);
}

/** A history of which one observation, moment or outcome was changed. */
export function makeSpoiled(random: Random, shape: Shape): HistoryEvent[] {
  const made = execute(random, shape);
  const changes = random.int(1, 2);
  for (let i = 0; i < changes; i++) spoil(random, made);
  return eventsOf(made, shape.processes);
}

function execute(random: Random, shape: Shape): Made[] {
  const state = new Map<string, Scalar[]>();
  const rounds = new Map<number, number>();
  let lastValue = 0;
  const busyUntil = new Map<number, number>();
  const made: Made[] = [];
  for (let n = 0; n < shape.transactions; n++) {
    const moment = (n + 1) * TICKS;
    const before = new Map(state);
    const ops: Operation[] = [];
    const count = random.int(1, shape.opsMax);
    for (let o = 0; o < count; o++) {
      const k = random.int(0, shape.keys - 1);
      const key = `k${k}.${rounds.get(k) ?? 0}`;
      const values = state.get(key) ?? [];
      if (random.next() < 0.5) {
        const read = shape.kind === 'list' ? [...values] : (values.at(-1) ?? null);
        ops.push(['r', key, read]);
        continue;
      }
      const value = ++lastValue;
      ops.push([shape.kind === 'list' ? 'append' : 'w', key, value]);
      state.set(key, [...values, value]);
      if (values.length + 1 >= shape.listMax) rounds.set(k, (rounds.get(k) ?? 0) + 1);
    }
    const fate = random.next();
    const type =
      fate < shape.failRate ? 'fail' : fate < shape.failRate + shape.infoRate ? 'info' : 'ok';
    // Of those that nobody knows about, half have happened.
    if (type === 'fail' || (type === 'info' && random.next() < 0.5)) {
      state.clear();
      for (const [key, values] of before) state.set(key, values);
    }
    const from = moment - random.int(0, shape.spread * TICKS);
    const free = [...Array(shape.processes).keys()].find((p) => (busyUntil.get(p) ?? -1) < from);
    const process = free ?? shape.processes + n;
    const to = moment + random.int(0, shape.spread * TICKS);
    busyUntil.set(process, to);
    made.push({ process, type, from, to, ops });
  }
  return made;
}

function spoil(random: Random, made: Made[]): void {
  const txn = made[random.int(0, made.length - 1)];
  if (txn === undefined) return;
  const what = random.next();
  if (what < 0.2) {
    // It began, or ended, at another time.
    const shift = random.int(-3, 3) * TICKS;
    txn.from += shift;
    txn.to = Math.max(txn.from, txn.to + shift);
    return;
  }
  const at = random.int(0, txn.ops.length - 1);
  const op = txn.ops[at];
  if (op?.[0] !== 'r') return;
  const [, key, value] = op;
  const others = made.flatMap(({ ops }) => ops.filter((each) => each[1] === key));
  const other = others[random.int(0, others.length - 1)];
  if (what < 0.7 && other?.[0] === 'r') txn.ops[at] = ['r', key, other[2]];
  else if (Array.isArray(value)) {
    const list = value as readonly Scalar[];
    const cut = list.slice(0, random.int(0, list.length));
    txn.ops[at] = ['r', key, random.next() < 0.8 ? cut : cut.toReversed()];
  } else txn.ops[at] = ['r', key, other === undefined || other[0] === 'r' ? null : other[2]];
}

function eventsOf(made: readonly Made[], processes: number): HistoryEvent[] {
  const events: { readonly at: number; readonly order: number; readonly event: HistoryEvent }[] =
    [];
  made.forEach(({ process, type, from, to, ops }, n) => {
    // A process whose times were changed may overlap with itself: each transaction is then one of its own.
    const id = process < processes ? process + n * processes : process + made.length * processes;
    const asked = ops.map((op): Operation => (op[0] === 'r' ? ['r', op[1], null] : op));
    const invoke = { process: id, type: 'invoke', time: from, ops: asked } as const;
    events.push({ at: from, order: 0, event: invoke });
    const end = { process: id, type, time: to, ops: type === 'ok' ? ops : asked } as const;
    events.push({ at: to, order: 1, event: end });
  });
  events.sort((a, b) => a.at - b.at || a.order - b.order);
  return events.map(({ event }) => event);
}
