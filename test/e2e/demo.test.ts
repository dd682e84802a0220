/**
 * Real processes, as a newcomer runs them: `quorate demo` comes up, says how to connect, survives kill -9 of a node,
 * stops in order, and refuses what it cannot do with one clear line.
 */
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WireClient } from '../../src/client/wire-client.ts';
import type { Listed } from '../support/command.ts';
import { Command, nodesIn, statusOf } from '../support/command.ts';
import { freePorts, until } from '../support/process-cluster.ts';

class Demo extends Command {
  constructor(args: readonly string[]) {
    super(['demo', ...args]);
  }
}

describe('quorate demo', () => {
  let dir = '';
  let demo: Demo;
  let sqlPort = 0;
  let ports: string[] = [];
  const nodes = (): Listed[] => nodesIn(dir);
  const status = statusOf;
  const leader = async (): Promise<Listed | undefined> => {
    for (const node of nodes()) {
      if ((await status(node))?.ranges.every((range) => range.isLeader) === true) return node;
    }
    return undefined;
  };

  beforeAll(async () => {
    dir = fs.mkdtempSync(path.join(os.tmpdir(), 'quorate-e2e-'));
    const [first = 0] = await freePorts(9);
    sqlPort = first;
    ports = [
      '--sql-port',
      `${first}`,
      '--http-port',
      `${first + 3}`,
      '--peer-port',
      `${first + 6}`,
    ];
    demo = new Demo(['--data', dir, '--restart-after', '1', ...ports]);
    await until('the greeting', () => (demo.output.includes('Ctrl-C') ? true : undefined));
  });

  afterAll(async () => {
    demo.child.kill('SIGINT');
    await demo.exit;
    fs.rmSync(dir, { recursive: true, force: true });
  });

  it('prints how to connect, and lists its processes', () => {
    expect(demo.output).toContain(`psql -h 127.0.0.1 -p ${sqlPort + 1}`);
    expect(nodes().map((node) => node.id)).toEqual([1, 2, 3]);
    for (const { pid } of nodes()) expect(() => process.kill(pid, 0)).not.toThrow();
  });

  it('serves SQL at every node', async () => {
    for (const { id, host, sqlPort: port } of nodes()) {
      const client = await WireClient.connect({ host, port, user: 'someone', database: 'quorate' });
      if (id === 1) await client.query('CREATE TABLE greeting (id integer PRIMARY KEY)');
      await client.query(`INSERT INTO greeting VALUES (${id})`);
      const [count] = await client.query('SELECT count(*) FROM greeting');
      expect(count?.rows).toEqual([[String(id)]]);
      client.close();
    }
  });

  it('counts what its clients ask of it', async () => {
    const [node] = nodes();
    if (node === undefined) throw new Error('no nodes');
    const { host, sqlPort: port } = node;
    const client = await WireClient.connect({ host, port, user: 'someone', database: 'quorate' });
    const before = (await status(node))?.counters;
    for (let i = 0; i < 5; i++) await client.query('SELECT 1; SELECT 2');
    const after = (await status(node))?.counters;
    client.close();
    const grown = (name: string): number => (after?.[name] ?? 0) - (before?.[name] ?? 0);
    expect(['sqlMessages', 'sqlFlushes', 'sqlStatements'].map(grown)).toEqual([5, 5, 10]);
    expect(grown('sqlBytesReceived')).toBe(5 * Buffer.byteLength('Q....SELECT 1; SELECT 2\0'));
    expect(grown('sqlBytesSent')).toBeGreaterThan(0);
    expect(grown('loopBusyMs')).toBeGreaterThan(0);
  });

  it('elects another leader when one is killed, and takes the killed one back', async () => {
    const first = await until('a leader', leader);
    process.kill(first.pid, 'SIGKILL');
    const second = await until('another leader', async () => {
      const found = await leader();
      return found !== undefined && found.id !== first.id ? found : undefined;
    });
    const again = await until('the restart', () =>
      nodes().find((node) => node.id === first.id && node.pid !== first.pid),
    );
    await until('catching up', async () => {
      const [mine, theirs] = [await status(again), await status(second)];
      const isSame = mine?.ranges[0]?.appliedIndex === theirs?.ranges[0]?.commitIndex;
      return mine?.isReady === true && isSame ? true : undefined;
    });
  });

  it('says in one line what it cannot do', async () => {
    const sameDirectory = new Demo(['--data', dir, ...ports]);
    expect(await sameDirectory.exit).toBe(1);
    expect(sameDirectory.output).toMatch(/^quorate: another cluster is running on .*\n$/);
    const samePort = new Demo(['--data', `${dir}-2`, '--sql-port', String(sqlPort)]);
    expect(await samePort.exit).toBe(1);
    expect(samePort.output).toBe(`quorate: port ${sqlPort} on 127.0.0.1 is taken\n`);
    fs.rmSync(`${dir}-2`, { recursive: true, force: true });
    const badNumber = new Demo(['--nodes', 'many']);
    expect(await badNumber.exit).toBe(1);
    expect(badNumber.output).toContain('--nodes takes a whole number');
    const badSetting = new Demo(['--raft-batch', '0']);
    expect(await badSetting.exit).toBe(1);
    expect(badSetting.output).toMatch(/^quorate: --raft-batch takes on, off or .*\n$/);
  });

  it('stops in order, and finds everything at the next start', async () => {
    demo.child.kill('SIGINT');
    expect(await demo.exit).toBe(0);
    await until('free ports', async () => {
      const server = net.createServer();
      const isFree = await new Promise<boolean>((resolve) => {
        server.once('error', () => resolve(false));
        server.listen(sqlPort, '127.0.0.1', () => server.close(() => resolve(true)));
      });
      return isFree ? true : undefined;
    });
    demo = new Demo(['--data', dir, ...ports]);
    await until('the greeting', () => (demo.output.includes('Ctrl-C') ? true : undefined));
    const found = await until('a leader', leader);
    expect((await status(found))?.ranges[0]?.appliedIndex).toBeGreaterThan(3);
  });
});
