/**
 * Tables in several ranges whose leaders are on different nodes. A database that knows no ranges (PostgreSQL) refuses
 * the syntax, and the table stays in one piece.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Session } from '../workload.ts';
import { SqlFailure } from '../workload.ts';

const SYNTAX_ERROR = '42601';
const LEADERS_MAX_MS = 15_000;

interface Range {
  readonly id: string;
  readonly leader: string | null;
  readonly replicas: readonly string[];
}

/**
 * Splits at these values of the primary key and hands the ranges of the table to the nodes in turn. Returns whether the
 * database knows ranges. Rejects when the leaders are not where they should be within some seconds.
 */
export async function spreadTable(
  session: Session,
  table: string,
  splits: readonly number[],
): Promise<boolean> {
  try {
    for (const at of splits) await session.query(`ALTER TABLE ${table} SPLIT AT VALUES (${at})`);
  } catch (error) {
    if (error instanceof SqlFailure && error.sqlState === SYNTAX_ERROR) return false;
    throw error;
  }
  const deadline = performance.now() + LEADERS_MAX_MS;
  for (;;) {
    const moves = movesOf(await rangesOf(session, table));
    if (moves.length === 0) return true;
    if (performance.now() > deadline) {
      throw new SqlFailure('58000', `the ranges of ${table} do not get the leaders asked for`);
    }
    for (const { range, node } of moves) await transfer(session, range, node);
    await sleep(100);
  }
}

async function rangesOf(session: Session, table: string): Promise<readonly Range[]> {
  const [result] = await session.query(`SHOW RANGES FROM TABLE ${table}`);
  return (result?.rows ?? []).map(([id, , , leader, replicas]) => ({
    id: id ?? '',
    leader: leader ?? null,
    replicas: (replicas ?? '').split(','),
  }));
}

/** What is not yet where it should be: the n-th range of the table on the n-th of its nodes, round and round. */
function movesOf(ranges: readonly Range[]): readonly { range: string; node: string }[] {
  return ranges.flatMap(({ id, leader, replicas }, i) => {
    const node = replicas.toSorted((a, b) => Number(a) - Number(b))[i % replicas.length] ?? '';
    return node === leader ? [] : [{ range: id, node }];
  });
}

/** Tried again by the caller: an election may be under way. */
async function transfer(session: Session, range: string, node: string): Promise<void> {
  try {
    await session.query(`ALTER RANGE ${range} TRANSFER LEADER TO ${node}`);
  } catch (error) {
    if (!(error instanceof SqlFailure)) throw error;
  }
}
