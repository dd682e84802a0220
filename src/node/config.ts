/**
 * What a node is told at its first start, and finds again at every later one: `node.json` in its data directory. The
 * members of a cluster are fixed when it is born (they are the voters of every range and the acceptors of the clock);
 * ports and hosts may change between starts.
 */
import { QuorateError } from '../base/errors.ts';
import type { MemoryShares } from './memory-shares.ts';
import { DEFAULT_MEMORY_BYTES, sharesOf } from './memory-shares.ts';

export interface MemberConfig {
  readonly id: number;
  readonly host: string;
  readonly peerPort: number;
}

export interface NodeConfig {
  readonly nodeId: number;
  /** Peers of another cluster are refused. */
  readonly clusterId: string;
  readonly host: string;
  readonly sqlPort: number;
  readonly httpPort: number;
  readonly peerPort: number;
  readonly members: readonly MemberConfig[];
  readonly settings: NodeSettings;
}

/** The shares follow from the budget at every start; only the budget is written down. */
export interface NodeSettings extends MemoryShares {
  /** The budget of `--memory`; undefined: the default one, and V8's own bound of the heap. */
  readonly memoryBytes?: number | undefined;
  /** Entries in one append, and of a range in one sync of the log, at most; 1 switches batching off. */
  readonly raftBatch: number;
  /** Appends out to one follower; 1 switches pipelining off. */
  readonly raftPipeline: number;
  /** Off: the log writes and syncs for each range apart. */
  readonly groupCommit: boolean;
  /** 'lease': latest reads under the leader's lease; 'quorum': every read is a snapshot read. */
  readonly reads: 'lease' | 'quorum';
  readonly connectionsMax: number;
  /** Size of the log's preallocated files. */
  readonly logSegmentBytes: number;
  /** Over how long a full memory table is written at least, when nothing presses. */
  readonly checkpointSpreadMs: number;
  /** So many waits for row locks of a table within a second have changes of its rows put off until the commit (TXN-17). */
  readonly deferAfterWaits: number;
  /** How long versions that have been replaced are kept: a transaction may read at a snapshot of this age. */
  readonly retentionMs: number;
  /** A node's wall clock is believed up to this far ahead of the others' (CLOCK-4). */
  readonly maxClockAheadMs: number;
}

/** What `on` means, and as good as no limit. */
export const RAFT_BATCH_MAX = 4096;
export const RAFT_PIPELINE_MAX = 1024;

/** As `deferAfterWaits`: changes of rows are never put off. */
export const DEFER_NEVER = Number.MAX_SAFE_INTEGER;

export const DEFAULT_SETTINGS: NodeSettings = {
  ...sharesOf(DEFAULT_MEMORY_BYTES),
  raftBatch: RAFT_BATCH_MAX,
  raftPipeline: 64,
  groupCommit: true,
  reads: 'lease',
  connectionsMax: 1000,
  logSegmentBytes: 64 << 20,
  checkpointSpreadMs: 40_000,
  deferAfterWaits: 16,
  retentionMs: 3_600_000,
  maxClockAheadMs: 500,
};

export class ConfigError extends QuorateError<'config'> {
  override readonly name = 'ConfigError';

  constructor(message: string) {
    super('config', message);
  }
}

export function encodeConfig(config: NodeConfig): string {
  const shares = new Set(Object.keys(sharesOf(DEFAULT_MEMORY_BYTES)));
  const settings = Object.entries(config.settings).filter(([name]) => !shares.has(name));
  return JSON.stringify({ ...config, settings: Object.fromEntries(settings) }, undefined, 2) + '\n';
}

export function decodeConfig(text: string, file: string): NodeConfig {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new ConfigError(`${file} is not JSON`);
  }
  const config = value as Partial<NodeConfig>;
  const isValid =
    isPort(config.sqlPort) &&
    isPort(config.httpPort) &&
    isPort(config.peerPort) &&
    Number.isSafeInteger(config.nodeId) &&
    typeof config.clusterId === 'string' &&
    typeof config.host === 'string' &&
    Array.isArray(config.members);
  if (!isValid) throw new ConfigError(`${file} is not the configuration of a node`);
  const shares = sharesOf(config.settings?.memoryBytes ?? DEFAULT_MEMORY_BYTES);
  const settings = { ...DEFAULT_SETTINGS, ...config.settings, ...shares };
  const { raftBatch, raftPipeline } = settings;
  const limits = {
    raftBatch: limitOf(raftBatch, DEFAULT_SETTINGS.raftBatch),
    raftPipeline: limitOf(raftPipeline, DEFAULT_SETTINGS.raftPipeline),
  };
  return { ...(config as NodeConfig), settings: { ...settings, ...limits } };
}

/** Older nodes wrote down whether, not how much. */
function limitOf(value: number | boolean, whenOn: number): number {
  if (typeof value !== 'boolean') return value;
  return value ? whenOn : 1;
}

/** `1=127.0.0.1:7532,2=127.0.0.1:7533`: the members of a new cluster. */
export function parseMembers(text: string): MemberConfig[] {
  const members = text.split(',').map((part) => {
    const match = /^(\d+)=(.+):(\d+)$/.exec(part.trim());
    const id = Number(match?.[1]);
    const peerPort = Number(match?.[3]);
    const host = match?.[2];
    if (host === undefined || !(id > 0) || !isPort(peerPort)) {
      throw new ConfigError(`"${part}" is not ID=HOST:PORT`);
    }
    return { id, host, peerPort };
  });
  const ids = new Set(members.map((member) => member.id));
  if (ids.size !== members.length) throw new ConfigError('two members have the same id');
  if (members.length > MEMBERS_MAX) {
    throw new ConfigError(`a cluster has at most ${MEMBERS_MAX} nodes so far`);
  }
  return members;
}

/** Every node is a voter of every range until replicas can be moved. */
export const MEMBERS_MAX = 7;

function isPort(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) <= 65535;
}
