/**
 * The flags that change a node's settings, of `start` and of `demo`, which hands them to every node. What is not said
 * stays as `node.json` has it.
 */
import type { NodeSettings } from '../node/config.ts';
import { MIN_MEMORY_BYTES, formatSize, parseSize, sharesOf } from '../node/memory-shares.ts';
import {
  ConfigError,
  DEFAULT_SETTINGS,
  DEFER_NEVER,
  RAFT_BATCH_MAX,
  RAFT_PIPELINE_MAX,
} from '../node/config.ts';

/** For `parseArgs`. */
export const SETTING_FLAGS = {
  reads: { type: 'string' },
  'raft-batch': { type: 'string' },
  'raft-pipeline': { type: 'string' },
  'group-commit': { type: 'string' },
  'defer-updates': { type: 'string' },
  retention: { type: 'string' },
  memory: { type: 'string' },
} as const;

type SettingFlag = keyof typeof SETTING_FLAGS;
export type SettingValues = { readonly [flag in SettingFlag]?: string | undefined };

/** Throws `ConfigError` for what a flag does not take. */
export function settingsOf(values: SettingValues): Partial<NodeSettings> {
  const { reads } = values;
  if (reads !== undefined && reads !== 'lease' && reads !== 'quorum') {
    throw new ConfigError('--reads takes lease or quorum');
  }
  const { raftBatch: usualBatch, raftPipeline: usualPipeline } = DEFAULT_SETTINGS;
  const raftBatch = limitOf(values, 'raft-batch', usualBatch, RAFT_BATCH_MAX);
  const raftPipeline = limitOf(values, 'raft-pipeline', usualPipeline, RAFT_PIPELINE_MAX);
  const groupCommit = switchOf(values, 'group-commit');
  const isDeferring = switchOf(values, 'defer-updates');
  const deferAfterWaits = isDeferring === true ? DEFAULT_SETTINGS.deferAfterWaits : DEFER_NEVER;
  const retentionS = values.retention === undefined ? undefined : Number(values.retention);
  if (retentionS !== undefined && !(Number.isSafeInteger(retentionS) && retentionS > 0)) {
    throw new ConfigError('--retention takes a number of seconds');
  }
  return {
    ...(reads === undefined ? {} : { reads }),
    ...(raftBatch === undefined ? {} : { raftBatch }),
    ...(raftPipeline === undefined ? {} : { raftPipeline }),
    ...(groupCommit === undefined ? {} : { groupCommit }),
    ...(isDeferring === undefined ? {} : { deferAfterWaits }),
    ...(retentionS === undefined ? {} : { retentionMs: retentionS * 1000 }),
    ...memoryOf(values),
  };
}

/** The same flags again, as the arguments of another process. */
export function settingArguments(values: SettingValues): string[] {
  return (Object.keys(SETTING_FLAGS) as SettingFlag[]).flatMap((flag) => {
    const value = values[flag];
    return value === undefined ? [] : [`--${flag}`, value];
  });
}

function memoryOf({ memory }: SettingValues): Partial<NodeSettings> {
  if (memory === undefined) return {};
  const memoryBytes = parseSize(memory);
  if (memoryBytes === undefined) {
    throw new ConfigError(`--memory takes a size such as 512MiB or 2GiB, not "${memory}"`);
  }
  if (memoryBytes < MIN_MEMORY_BYTES) {
    const least = formatSize(MIN_MEMORY_BYTES);
    throw new ConfigError(`--memory ${memory} is too little: a node needs at least ${least}`);
  }
  return { memoryBytes, ...sharesOf(memoryBytes) };
}

function switchOf(values: SettingValues, flag: SettingFlag): boolean | undefined {
  const value = values[flag];
  if (value === undefined) return undefined;
  if (value !== 'on' && value !== 'off') throw new ConfigError(`--${flag} takes on or off`);
  return value === 'on';
}

/** `on`: the usual limit; `off`: one at a time. */
function limitOf(
  values: SettingValues,
  flag: SettingFlag,
  usual: number,
  max: number,
): number | undefined {
  const value = values[flag];
  if (value === undefined) return undefined;
  if (value === 'on') return usual;
  const limit = value === 'off' ? 1 : Number(value);
  if (Number.isSafeInteger(limit) && limit >= 1 && limit <= max) return limit;
  throw new ConfigError(
    `--${flag} takes on, off or a whole number from 1 to ${max}, not "${value}"`,
  );
}
