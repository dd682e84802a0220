/** `quorate status`: what the nodes of a cluster say of themselves over HTTP. */
import fs from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { parseArgs } from 'node:util';
import type { NodeStatus } from '../admin/status.ts';
import { ConfigError } from '../node/config.ts';
import { formatSize } from '../node/memory-shares.ts';

interface Address {
  readonly host: string;
  readonly httpPort: number;
}

export async function runStatus(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: { data: { type: 'string', default: './quorate-data' }, http: { type: 'string' } },
  });
  const addresses = values.http === undefined ? clusterOf(values.data) : [addressOf(values.http)];
  let isAllGood = true;
  const ranges = new Map<number, string>();
  for (const { host, httpPort } of addresses) {
    const status = await fetchStatus(host, httpPort);
    if (status === undefined) {
      isAllGood = false;
      process.stdout.write(`${host}:${httpPort}  does not answer\n`);
      continue;
    }
    isAllGood &&= status.isReady;
    process.stdout.write(
      `node ${status.nodeId}  ${status.isReady ? 'serving' : 'not ready'}  sql ${host}:` +
        `${status.sqlPort}  clients ${status.clientCount}  ranges ${status.ranges.length}  ` +
        `leads ${status.ranges.filter((range) => range.isLeader).length}  ` +
        `rss ${formatSize(status.rssBytes)} of ${formatSize(status.memory.budgetBytes)}\n`,
    );
    for (const range of status.ranges) {
      if (!range.isLeader) continue;
      ranges.set(
        range.rangeId,
        `range ${range.rangeId}  leader ${status.nodeId}  term ${range.term}  ` +
          `applied ${range.appliedIndex}  [${range.start}, ${range.end})\n`,
      );
    }
  }
  for (const id of [...ranges.keys()].sort((a, b) => a - b)) {
    process.stdout.write(ranges.get(id) ?? '');
  }
  return isAllGood ? 0 : 1;
}

function clusterOf(dir: string): readonly Address[] {
  const file = path.join(dir, 'cluster.json');
  if (!fs.existsSync(file)) {
    throw new ConfigError(`there is no ${file}; name a node with --http HOST:PORT`);
  }
  return (JSON.parse(fs.readFileSync(file, 'utf8')) as { nodes: Address[] }).nodes;
}

function addressOf(text: string): Address {
  const match = /^(?:http:\/\/)?([^:/]+):(\d+)\/?$/.exec(text);
  if (match?.[1] === undefined) throw new ConfigError(`"${text}" is not HOST:PORT`);
  return { host: match[1], httpPort: Number(match[2]) };
}

async function fetchStatus(host: string, port: number): Promise<NodeStatus | undefined> {
  try {
    const response = await fetch(`http://${host}:${port}/status`, {
      signal: AbortSignal.timeout(3000),
    });
    return (await response.json()) as NodeStatus;
  } catch {
    return undefined;
  }
}
