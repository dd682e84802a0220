/** `quorate demo`: a whole cluster of real node processes on this machine, with defaults for everything. */
import path from 'node:path';
import { parseArgs } from 'node:util';
import { MEMBERS_MAX } from '../node/config.ts';
import { SETTING_FLAGS, settingArguments, settingsOf } from './setting-flags.ts';
import type { HostOptions } from './supervisor.ts';
import { intOf, runHost } from './supervisor.ts';

export function runDemo(args: readonly string[]): Promise<number> {
  return runHost(parseOptions(args));
}

function parseOptions(args: readonly string[]): HostOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      data: { type: 'string', default: './quorate-data' },
      nodes: { type: 'string', default: '3' },
      host: { type: 'string', default: '127.0.0.1' },
      'sql-port': { type: 'string', default: '7432' },
      'http-port': { type: 'string', default: '7480' },
      'peer-port': { type: 'string' },
      'restart-after': { type: 'string', default: '5' },
      ...SETTING_FLAGS,
    },
  });
  const count = intOf('nodes', values.nodes, 1, MEMBERS_MAX);
  const sqlPort = intOf('sql-port', values['sql-port'], 1, 65535 - count);
  const httpPort = intOf('http-port', values['http-port'], 1, 65535 - count);
  // Apart from the SQL ports by default, so that moving those moves these.
  const peerPort = intOf(
    'peer-port',
    values['peer-port'] ?? String(sqlPort + 100),
    1,
    65535 - count,
  );
  const nodes = Array.from({ length: count }, (_, i) => ({
    id: i + 1,
    host: values.host,
    sqlPort: sqlPort + i,
    httpPort: httpPort + i,
    peerPort: peerPort + i,
  }));
  return {
    dataDir: path.resolve(values.data),
    restartAfterMs: intOf('restart-after', values['restart-after'], 0, 3600) * 1000,
    nodes,
    members: nodes.map((each) => `${each.id}=${each.host}:${each.peerPort}`).join(','),
    clusterId: undefined,
    // What is wrong is said here, not in the logs of the nodes.
    memoryBytes: settingsOf(values).memoryBytes,
    passOn: settingArguments(values),
    isGivingUp: true,
    notes: [],
  };
}
