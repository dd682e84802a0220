/**
 * Timers of the event loop. They do not keep the process alive: sockets do. A turn ends with two immediates, one for
 * what was deferred and one for what was deferred to the last; promises are drained between them.
 */
import type { Scheduler } from '../env.ts';

type Task = () => void;

let tasks: Task[] = [];
let lastTasks: Task[] = [];
let isArmed = false;

function arm(): void {
  if (isArmed) return;
  isArmed = true;
  setImmediate(runTasks);
  setImmediate(runLastTasks);
}

function runTasks(): void {
  const due = tasks;
  tasks = [];
  runAll(due, (left) => (tasks = [...left, ...tasks]));
}

function runLastTasks(): void {
  isArmed = false;
  try {
    // What the promises between the two have deferred.
    runTasks();
    const due = lastTasks;
    lastTasks = [];
    runAll(due, (left) => (lastTasks = [...left, ...lastTasks]));
  } finally {
    if (tasks.length + lastTasks.length > 0) arm();
  }
}

/** What a task throws reaches the event loop, as from an immediate of its own; those after it are kept. */
function runAll(due: readonly Task[], keep: (left: readonly Task[]) => void): void {
  let done = 0;
  try {
    for (const task of due) {
      done++;
      task();
    }
  } finally {
    if (done < due.length) keep(due.slice(done));
  }
}

export const nodeScheduler: Scheduler = {
  after(delayMs, fn) {
    const timer = setTimeout(fn, delayMs);
    timer.unref();
    return { cancel: () => clearTimeout(timer) };
  },
  defer(fn) {
    tasks.push(fn);
    arm();
  },
  deferLast(fn) {
    lastTasks.push(fn);
    arm();
  },
  sleep(delayMs, signal) {
    return new Promise((resolve, reject) => {
      if (signal?.aborted === true) {
        reject(asError(signal.reason));
        return;
      }
      const onAbort = (): void => {
        clearTimeout(timer);
        reject(asError(signal?.reason));
      };
      const timer = setTimeout(() => {
        signal?.removeEventListener('abort', onAbort);
        resolve();
      }, delayMs);
      timer.unref();
      signal?.addEventListener('abort', onAbort, { once: true });
    });
  },
};

function asError(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error(String(reason));
}
