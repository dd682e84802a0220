/**
 * Settings that a node gives its sessions as their defaults: the limits that follow from its memory. What a client asks
 * for at its start, or sets later, goes before them.
 */
import type { SessionFactory } from '../../sql/session/session-api.ts';
import type { MemoryShares } from './memory-shares.ts';

/** As `SET` takes them: a number without a unit is in kB. */
export function limitsOf({ txnBytes, workMemBytes }: MemoryShares): ReadonlyMap<string, string> {
  return new Map([
    ['txn_max_bytes', String(txnBytes / 1024)],
    ['work_mem', String(workMemBytes / 1024)],
  ]);
}

export function withDefaults(
  sessions: SessionFactory,
  defaults: ReadonlyMap<string, string>,
): SessionFactory {
  return {
    open: (options) => {
      const parameters = new Map([...defaults, ...options.parameters]);
      return sessions.open({ ...options, parameters });
    },
  };
}
