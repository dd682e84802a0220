/** What servers of several processes use, from /proc; undefined where there is none. */
import fs from 'node:fs';
import { cpuSecondsOf, rssBytesOf } from '../driver/observe.ts';

/**
 * Processor seconds of a process, the children it has waited for, and those it has now. Sums only grow as long as
 * children are waited for.
 */
export function treeCpuSeconds(pid: number): number | undefined {
  const own = cpuSecondsOf(pid);
  if (own === undefined) return undefined;
  return childrenOf(pid).reduce((sum, child) => sum + (cpuSecondsOf(child) ?? 0), own);
}

/** Pages that processes share count once for each: an upper bound. */
export function treeRssBytes(pid: number): number | undefined {
  const own = rssBytesOf(pid);
  if (own === undefined) return undefined;
  return childrenOf(pid).reduce((sum, child) => sum + (rssBytesOf(child) ?? 0), own);
}

function childrenOf(pid: number): number[] {
  try {
    const text = fs.readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8');
    return text.trim().split(/\s+/).filter(Boolean).map(Number);
  } catch {
    return [];
  }
}
