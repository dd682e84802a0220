/**
 * `quorate start --nodes-per-host N`: the nodes that a cluster has on this host, a process each, by one command. Without
 * `--init-nodes` they are the whole cluster. With it, the same list is given at every host, and those of its members
 * whose HOST is this one's `--host` run here. Later starts need no list: each node's directory has it.
 */
import fs from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { ConfigError, MEMBERS_MAX, parseMembers } from '../node/config.ts';
import type { MemberConfig, NodeConfig } from '../node/config.ts';
import { hostWarnings } from '../node/placement.ts';
import { SETTING_FLAGS, settingArguments, settingsOf } from './setting-flags.ts';
import type { HostNode, HostOptions } from './supervisor.ts';
import { intOf, knownNodes, runHost } from './supervisor.ts';

const FLAG = 'nodes-per-host';
const SQL_PORT = 7432;
const HTTP_PORT = 7480;
const PORT_MAX = 65535;

/** Whether `start` was asked for several nodes. */
export function isForHost(args: readonly string[]): boolean {
  return args.some((arg) => arg === `--${FLAG}` || arg.startsWith(`--${FLAG}=`));
}

export function runStartHost(args: readonly string[]): Promise<number> {
  return runHost(hostOptionsOf(args));
}

/** Reads what nodes of the directory were told before; throws `ConfigError` for what does not fit. */
export function hostOptionsOf(args: readonly string[]): HostOptions {
  const values = parse(args);
  const count = intOf(FLAG, values[FLAG] ?? '', 1, MEMBERS_MAX);
  const { memoryBytes } = settingsOf(values);
  const dataDir = path.resolve(values.data);
  if (fs.existsSync(path.join(dataDir, 'node.json'))) {
    throw new ConfigError(`${dataDir} holds one node: start it without --${FLAG}`);
  }
  const known = knownNodes(dataDir);
  const host = values.host ?? known[0]?.host ?? '127.0.0.1';
  const members = membersOf(values, host, known, count);
  const own = ownMembers(members, { host, known, count, dataDir });
  const nodes = own.map((member, i) => nodeOf(member, { host, values, known, index: i }));
  const isAlone = own.length === members.length;
  const clusterId =
    known[0]?.clusterId ?? values['cluster-id'] ?? (isAlone ? undefined : 'quorate');
  return {
    ...{ dataDir, nodes, clusterId, memoryBytes },
    restartAfterMs: intOf('restart-after', values['restart-after'], 0, 3600) * 1000,
    members: members.map((each) => `${each.id}=${each.host}:${each.peerPort}`).join(','),
    passOn: settingArguments(values),
    isGivingUp: false,
    notes: isAlone ? [] : hostWarnings(members),
  };
}

type Values = ReturnType<typeof parse>;

function parse(args: readonly string[]) {
  const { values } = parseArgs({
    args: [...args],
    options: {
      [FLAG]: { type: 'string' },
      data: { type: 'string', default: './quorate-node' },
      id: { type: 'string' },
      'init-nodes': { type: 'string' },
      'cluster-id': { type: 'string' },
      host: { type: 'string' },
      'sql-port': { type: 'string' },
      'http-port': { type: 'string' },
      'peer-port': { type: 'string' },
      'restart-after': { type: 'string', default: '5' },
      ...SETTING_FLAGS,
    },
  });
  if (values.id !== undefined) {
    throw new ConfigError(
      `--id names one node; with --${FLAG} it is --host that tells which run here`,
    );
  }
  if (values['init-nodes'] !== undefined && values['peer-port'] !== undefined) {
    throw new ConfigError(
      '--init-nodes has the peer ports: --peer-port is for a cluster of this host alone',
    );
  }
  return values;
}

function membersOf(
  values: Values,
  host: string,
  known: readonly NodeConfig[],
  count: number,
): readonly MemberConfig[] {
  const list = values['init-nodes'];
  if (list !== undefined) return parseMembers(list);
  const [first] = known;
  if (first !== undefined) return first.members;
  const sqlPort = basePort(values, 'sql-port', SQL_PORT, count);
  const peerPort = basePort(values, 'peer-port', sqlPort + 100, count);
  return Array.from({ length: count }, (_, i) => ({ id: i + 1, host, peerPort: peerPort + i }));
}

interface Here {
  readonly host: string;
  readonly known: readonly NodeConfig[];
  readonly count: number;
  readonly dataDir: string;
}

/** Who ran here before runs here again; at first, whoever the list has on this host. */
function ownMembers(
  members: readonly MemberConfig[],
  { host, known, count, dataDir }: Here,
): readonly MemberConfig[] {
  const ids = new Set(known.map(({ nodeId }) => nodeId));
  const own = members.filter((each) => (ids.size > 0 ? ids.has(each.id) : each.host === host));
  if (ids.size > 0 && own.length < ids.size) {
    throw new ConfigError(`${dataDir} holds nodes that are not in --init-nodes`);
  }
  if (own.length === count) return own;
  const what = ids.size > 0 ? `${dataDir} holds` : '--init-nodes names';
  const where = ids.size > 0 ? '' : ` on ${host}`;
  throw new ConfigError(`${what} ${own.length} nodes${where}, not ${count}`);
}

function nodeOf(
  { id, peerPort }: MemberConfig,
  of: { host: string; values: Values; known: readonly NodeConfig[]; index: number },
): HostNode {
  const { host, values, known, index } = of;
  const before = known.find(({ nodeId }) => nodeId === id);
  const port = (flag: 'sql-port' | 'http-port', usual: number, own: number | undefined): number =>
    values[flag] === undefined && own !== undefined
      ? own
      : basePort(values, flag, usual, MEMBERS_MAX) + index;
  return {
    ...{ id, host, peerPort },
    sqlPort: port('sql-port', SQL_PORT, before?.sqlPort),
    httpPort: port('http-port', HTTP_PORT, before?.httpPort),
  };
}

/** The first of so many in a row. */
function basePort(
  values: Values,
  flag: 'sql-port' | 'http-port' | 'peer-port',
  usual: number,
  count: number,
): number {
  return intOf(flag, values[flag] ?? String(usual), 1, PORT_MAX - count);
}
