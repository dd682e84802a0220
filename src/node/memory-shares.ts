/**
 * How a node's memory is divided: from one stated budget to the bound of every cache and buffer that has one in bytes.
 * Pure arithmetic, and the only place where these bounds are chosen; docs/operations.md has the table.
 *
 * Something is set aside for the process itself, the rest is cut into equal parts. With the default budget a part is
 * 16 MiB. What large budgets leave over, because a share has reached its cap, goes to the block cache. The sum of all
 * shares is at most the budget (a test); but for the heap, nothing holds back what is not listed here.
 */
import { QuorateError } from '../base/errors.ts';

const MIB = 2 ** 20;
const GIB = 2 ** 30;

/** All in bytes, in whole MiB. */
export interface MemoryShares {
  /** V8's old space: what the SQL layer works with, and the keys of the tables below. */
  readonly oldSpaceBytes: number;
  /** One semi-space of V8's nursery, of which there are three. */
  readonly semiSpaceBytes: number;
  /** A memory table that has grown to this is written to the engine. There are two, and a quarter of one beyond. */
  readonly memoryTableBytes: number;
  /** What short scans have read, kept as it was read: in the old space, and buffers outside of it. */
  readonly headCacheBytes: number;
  /** LevelDB's uncompressed blocks. */
  readonly blockCacheBytes: number;
  /** LevelDB's own memory table, of which there are two. */
  readonly writeBufferBytes: number;
  /** Entries a range keeps in memory for peers that lag; beyond, they are read from the log. */
  readonly raftTailBytes: number;
  /** The same for all ranges together, an equal share each. */
  readonly raftTailsBytes: number;
  /** Proposals of a range that are not committed yet: they stay in the tail, whatever its bound. */
  readonly raftUncommittedBytes: number;
  /** Frames that wait for slow peers, all peers together. */
  readonly peerQueuesBytes: number;
  /** What one transaction may write: the default of `txn_max_bytes`. */
  readonly txnBytes: number;
  /** What one operator of a statement may hold, within the old space: the default of `work_mem`. */
  readonly workMemBytes: number;
}

/** Code, stacks, V8's own tables, sockets and what is read from files. */
const PROCESS_BYTES = 64 * MIB;
const PARTS = 124;

interface Share {
  readonly parts: number;
  readonly maxBytes: number;
  /** How many of it there may be within the budget. */
  readonly times: number;
}

type Bounded = Exclude<keyof MemoryShares, 'blockCacheBytes'>;

const SHARES: Readonly<Record<Bounded, Share>> = {
  // V8 chooses 4 GiB by itself where there is plenty; larger heaps are collected in longer pauses.
  oldSpaceBytes: { parts: 54, maxBytes: 4096 * MIB, times: 1 },
  semiSpaceBytes: { parts: 2, maxBytes: 32 * MIB, times: 3 },
  // What changes often is written the less often the larger they are, but a restart applies again what they held.
  memoryTableBytes: { parts: 8, maxBytes: 256 * MIB, times: 2.25 },
  headCacheBytes: { parts: 2, maxBytes: 1024 * MIB, times: 1 },
  writeBufferBytes: { parts: 1, maxBytes: 64 * MIB, times: 2 },
  raftTailBytes: { parts: 2, maxBytes: 128 * MIB, times: 0 },
  raftTailsBytes: { parts: 8, maxBytes: 512 * MIB, times: 1 },
  raftUncommittedBytes: { parts: 4, maxBytes: 256 * MIB, times: 0 },
  peerQueuesBytes: { parts: 14, maxBytes: 1024 * MIB, times: 1 },
  // A range takes 512 MiB of one transaction.
  txnBytes: { parts: 16, maxBytes: 512 * MIB, times: 1 },
  workMemBytes: { parts: 4, maxBytes: 256 * MIB, times: 0 },
};
const BLOCK_CACHE_PARTS = 4;
/** The engine takes the size as a 32-bit number. */
const BLOCK_CACHE_MAX_BYTES = 4095 * MIB;

export const DEFAULT_MEMORY_BYTES = 2048 * MIB;
/** Below, V8 ends the process under a few dozen clients that load rows. */
export const MIN_MEMORY_BYTES = 512 * MIB;
const MAX_MEMORY_BYTES = 2 ** 40;

/** Throws for a budget out of range. */
export function sharesOf(budgetBytes: number): MemoryShares {
  if (!(budgetBytes >= MIN_MEMORY_BYTES && budgetBytes <= MAX_MEMORY_BYTES)) {
    const bounds = `at least ${formatSize(MIN_MEMORY_BYTES)}, at most ${formatSize(MAX_MEMORY_BYTES)}`;
    throw new QuorateError('config', `a node takes ${bounds} of memory`);
  }
  const partBytes = (budgetBytes - PROCESS_BYTES) / PARTS;
  let leftBytes = 0;
  const share = (name: Bounded): number => {
    const { parts, maxBytes, times } = SHARES[name];
    const due = wholeMib(parts * partBytes);
    const bytes = Math.min(due, maxBytes);
    leftBytes += (due - bytes) * times;
    return bytes;
  };
  const shares = {
    oldSpaceBytes: share('oldSpaceBytes'),
    semiSpaceBytes: powerOfTwo(share('semiSpaceBytes')),
    memoryTableBytes: share('memoryTableBytes'),
    headCacheBytes: share('headCacheBytes'),
    writeBufferBytes: share('writeBufferBytes'),
    raftTailBytes: share('raftTailBytes'),
    raftTailsBytes: share('raftTailsBytes'),
    raftUncommittedBytes: share('raftUncommittedBytes'),
    peerQueuesBytes: share('peerQueuesBytes'),
    txnBytes: share('txnBytes'),
    workMemBytes: share('workMemBytes'),
  };
  const cacheBytes = wholeMib(BLOCK_CACHE_PARTS * partBytes + leftBytes);
  return { ...shares, blockCacheBytes: Math.min(cacheBytes, BLOCK_CACHE_MAX_BYTES) };
}

/** What all shares come to at most, the process itself included. */
export function sumOf(shares: MemoryShares): number {
  const bounded = Object.keys(SHARES) as Bounded[];
  return bounded.reduce(
    (sum, name) => sum + shares[name] * SHARES[name].times,
    PROCESS_BYTES + shares.blockCacheBytes,
  );
}

/**
 * Node.js' flags that hold the heap to its share. V8 reads them when it starts, and never again: who starts a node's
 * process gives them to it. Where no budget is stated, V8 bounds the old space by itself.
 */
export function heapFlags(budgetBytes: number | undefined): readonly string[] {
  const { oldSpaceBytes, semiSpaceBytes } = sharesOf(budgetBytes ?? DEFAULT_MEMORY_BYTES);
  // Most of what a statement allocates is garbage when it ends: a large nursery lets it die there.
  const semiSpace = `--max-semi-space-size=${semiSpaceBytes / MIB}`;
  if (budgetBytes === undefined) return [semiSpace];
  return [`--max-old-space-size=${oldSpaceBytes / MIB}`, semiSpace];
}

/** What V8 then has as the limit of its heap. */
export function heapBytesOf({ oldSpaceBytes, semiSpaceBytes }: MemoryShares): number {
  return oldSpaceBytes + SHARES.semiSpaceBytes.times * semiSpaceBytes;
}

/** `512MiB`, `1.5GiB`; undefined for anything else. */
export function parseSize(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)(MiB|GiB)$/i.exec(text.trim());
  if (match === null) return undefined;
  return Math.floor(Number(match[1]) * (match[2]?.toLowerCase() === 'gib' ? GIB : MIB));
}

/** In GiB where that is a whole number. */
export function formatSize(bytes: number): string {
  return bytes % GIB === 0 ? `${bytes / GIB}GiB` : `${Math.floor(bytes / MIB)}MiB`;
}

function wholeMib(bytes: number): number {
  return Math.floor(bytes / MIB) * MIB;
}

/** V8 would round up. */
function powerOfTwo(bytes: number): number {
  return 2 ** Math.floor(Math.log2(bytes));
}
