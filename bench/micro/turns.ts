/** A scheduler for a store alone: what is deferred runs in the next turn, and nothing is paced by time. */
import type { Scheduler } from '../../src/env/env.ts';

export const turns: Scheduler = {
  after: () => ({ cancel: () => undefined }),
  defer: (fn) => void setImmediate(fn),
  deferLast: (fn) => void setImmediate(fn),
  sleep: () => Promise.reject(new Error('not used')),
};
