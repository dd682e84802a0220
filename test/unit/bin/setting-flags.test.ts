/** Flags of `start` and `demo` as settings, and what `node.json` makes of them later. */
import { describe, expect, it } from 'vitest';
import { settingArguments, settingsOf } from '../../../src/bin/setting-flags.ts';
import type { NodeConfig } from '../../../src/node/config.ts';
import { sharesOf } from '../../../src/node/memory-shares.ts';
import {
  DEFAULT_SETTINGS,
  DEFER_NEVER,
  decodeConfig,
  encodeConfig,
} from '../../../src/node/config.ts';

const CONFIG: NodeConfig = {
  ...{ nodeId: 1, clusterId: 'c', host: 'h', sqlPort: 1, httpPort: 2, peerPort: 3 },
  members: [{ id: 1, host: 'h', peerPort: 3 }],
  settings: DEFAULT_SETTINGS,
};

describe('the flags of settings', () => {
  it('change nothing that is not said', () => {
    expect(settingsOf({})).toEqual({});
    expect(settingArguments({})).toEqual([]);
  });

  it('take on, off or a number', () => {
    const off = { 'raft-batch': 'off', 'raft-pipeline': 'off', 'group-commit': 'off' };
    expect(settingsOf(off)).toEqual({ raftBatch: 1, raftPipeline: 1, groupCommit: false });
    const on = { 'raft-batch': 'on', 'raft-pipeline': 'on', 'group-commit': 'on' };
    const { raftBatch, raftPipeline, groupCommit } = DEFAULT_SETTINGS;
    expect(settingsOf(on)).toEqual({ raftBatch, raftPipeline, groupCommit });
    const some = { 'raft-batch': '16', 'raft-pipeline': '4', retention: '60', reads: 'quorum' };
    const [batch, pipeline] = [{ raftBatch: 16 }, { raftPipeline: 4 }];
    const rest = { retentionMs: 60_000, reads: 'quorum' };
    expect(settingsOf(some)).toEqual({ ...batch, ...pipeline, ...rest });
  });

  it('switch changes that are put off on or off', () => {
    const { deferAfterWaits } = DEFAULT_SETTINGS;
    expect(settingsOf({ 'defer-updates': 'on' })).toEqual({ deferAfterWaits });
    expect(settingsOf({ 'defer-updates': 'off' })).toEqual({ deferAfterWaits: DEFER_NEVER });
  });

  it.each([
    [{ 'raft-batch': '0' }, '--raft-batch takes on, off or a whole number from 1 to 4096'],
    [{ 'raft-pipeline': '1025' }, '--raft-pipeline takes on, off or a whole number from 1 to 1024'],
    [{ 'raft-pipeline': '' }, '--raft-pipeline takes'],
    [{ 'raft-batch': '1.5' }, '--raft-batch takes'],
    [{ 'group-commit': '3' }, '--group-commit takes on or off'],
    [{ reads: 'stale' }, '--reads takes lease or quorum'],
    [{ retention: '0' }, '--retention takes a number of seconds'],
    [{ memory: '512MB' }, '--memory takes a size such as 512MiB or 2GiB, not "512MB"'],
    [{ memory: '511MiB' }, '--memory 511MiB is too little: a node needs at least 512MiB'],
    [{ memory: '9999999GiB' }, 'at most 1024GiB'],
  ])('refuse %j', (values, message) => {
    expect(() => settingsOf(values)).toThrow(message);
  });

  it('divide a budget of memory', () => {
    const memoryBytes = 512 << 20;
    expect(settingsOf({ memory: '512MiB' })).toEqual({ memoryBytes, ...sharesOf(memoryBytes) });
  });

  it('are handed on as they are', () => {
    const values = { 'group-commit': 'off', reads: 'quorum' };
    expect(settingArguments(values)).toEqual(['--reads', 'quorum', '--group-commit', 'off']);
  });
});

describe('node.json', () => {
  it('keeps the budget of memory, and not what follows from it', () => {
    const memoryBytes = 512 << 20;
    const settings = { ...DEFAULT_SETTINGS, memoryBytes, ...sharesOf(memoryBytes) };
    const text = encodeConfig({ ...CONFIG, settings });
    expect(text).not.toContain('memoryTableBytes');
    expect(decodeConfig(text, 'node.json').settings).toEqual(settings);
    const older = JSON.stringify({ ...CONFIG, settings: { memoryTableBytes: 1 } });
    expect(decodeConfig(older, 'node.json').settings).toEqual(DEFAULT_SETTINGS);
  });

  it('keeps settings', () => {
    const settings = { ...DEFAULT_SETTINGS, raftBatch: 7, raftPipeline: 2, groupCommit: false };
    const read = decodeConfig(encodeConfig({ ...CONFIG, settings }), 'node.json');
    expect(read.settings).toEqual(settings);
  });

  it('of an older node says whether, not how much', () => {
    const old = { ...CONFIG, settings: { raftBatch: false, raftPipeline: true } };
    const read = decodeConfig(JSON.stringify(old), 'node.json');
    expect(read.settings).toEqual({ ...DEFAULT_SETTINGS, raftBatch: 1 });
  });
});
