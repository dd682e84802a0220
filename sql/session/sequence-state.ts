/**
 * The sequences of one session: the numbers it has taken and not yet used in the running statement, and what currval
 * and lastval answer. A statement that needs more numbers takes twice as many each time; what is left over when it
 * ends is given up.
 */
import { EvaluationWait, evaluationRecord } from '../exec/evaluation-wait.ts';
import type { Steps } from '../../src/base/steps.ts';
import { wait } from '../../src/base/steps.ts';
import type { SequenceHooks } from '../functions/eval-context.ts';
import { SqlError } from '../errors/sql-error.ts';
import { SQLSTATE } from '../errors/sqlstate.ts';
import type { SequenceAllocator, SequenceInfo } from './sequence-allocator.ts';

/** Resolves names for the running statement; throws 42P01, 42809. */
export interface SequenceNames {
  sequence(name: string): Steps<SequenceInfo>;
  serialSequence(table: string, column: string): Steps<string | null>;
}

interface Pool {
  readonly info: SequenceInfo;
  values: bigint[];
  next: number;
  taken: number;
}

const TAKE_MAX = 256;

export class SequenceState implements SequenceHooks {
  readonly #allocator: SequenceAllocator;
  readonly #current = new Map<string, bigint>();
  #last: bigint | undefined;
  #names: SequenceNames | undefined;
  readonly #pools = new Map<string, Pool>();
  readonly #serials = new Map<string, string | null>();
  readonly #done = new Set<string>();

  constructor(allocator: SequenceAllocator) {
    this.#allocator = allocator;
  }

  /** A statement begins: its names are looked up afresh. */
  begin(names: SequenceNames): void {
    this.#names = names;
    if (this.#pools.size > 0) this.#pools.clear();
    if (this.#serials.size > 0) this.#serials.clear();
    if (this.#done.size > 0) this.#done.clear();
  }

  discard(): void {
    this.#current.clear();
    this.#last = undefined;
  }

  nextval(name: string): bigint {
    const pool = this.#pool(name);
    const record = evaluationRecord();
    const action = `nextval ${pool.info.stateId}`;
    const known = record?.replay(action);
    const value = known ?? pool.values[pool.next];
    if (value === undefined) throw new EvaluationWait(() => this.#take(pool));
    if (known === undefined) {
      pool.next++;
      record?.add(action, value);
    }
    this.#current.set(pool.info.stateId, value);
    this.#last = value;
    return value;
  }

  currval(name: string): bigint {
    const { info } = this.#pool(name);
    const value = this.#current.get(info.stateId);
    if (value !== undefined) return value;
    throw new SqlError(
      SQLSTATE.OBJECT_NOT_IN_PREREQUISITE_STATE,
      `currval of sequence "${info.name}" is not yet defined in this session`,
    );
  }

  lastval(): bigint {
    if (this.#last !== undefined) return this.#last;
    throw new SqlError(
      SQLSTATE.OBJECT_NOT_IN_PREREQUISITE_STATE,
      'lastval is not yet defined in this session',
    );
  }

  setval(name: string, value: bigint, isCalled: boolean): bigint {
    const { info } = this.#pool(name);
    const record = evaluationRecord();
    const action = `setval ${info.stateId} ${value} ${isCalled}`;
    if (record?.replay(action) === undefined) {
      if (!this.#done.delete(action)) {
        throw new EvaluationWait(() => this.#set(info, value, isCalled, action));
      }
      record?.add(action, value);
    }
    if (isCalled) this.#current.set(info.stateId, value);
    return value;
  }

  serialSequence(table: string, column: string): string | null {
    const id = `${table}\0${column}`;
    const known = this.#serials.get(id);
    if (known !== undefined) return known;
    throw new EvaluationWait(() => this.#findSerial(table, column, id));
  }

  #pool(name: string): Pool {
    const pool = this.#pools.get(name);
    if (pool !== undefined) return pool;
    throw new EvaluationWait(() => this.#find(name));
  }

  *#find(name: string): Steps<void> {
    const info = yield* this.#mustNames().sequence(name);
    this.#pools.set(name, { info, values: [], next: 0, taken: 0 });
  }

  *#findSerial(table: string, column: string, id: string): Steps<void> {
    this.#serials.set(id, yield* this.#mustNames().serialSequence(table, column));
  }

  *#take(pool: Pool): Steps<void> {
    const count = Math.min(Math.max(pool.taken, 1), TAKE_MAX);
    pool.values = yield* wait(this.#allocator.allocate(pool.info, count));
    pool.next = 0;
    pool.taken += pool.values.length;
  }

  *#set(info: SequenceInfo, value: bigint, isCalled: boolean, action: string): Steps<void> {
    yield* wait(this.#allocator.setValue(info, value, isCalled));
    this.#done.add(action);
  }

  #mustNames(): SequenceNames {
    if (this.#names === undefined) throw new Error('no statement is running');
    return this.#names;
  }
}
