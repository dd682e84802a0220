/**
 * Tells the other nodes at once when a table's schema has changed, before the client that changed it is told: what they
 * know of the catalog is then not older than what any client has seen. Only a courtesy that spares clients errors and
 * retries: a node that is not reached finds out by the fences, on which correctness rests.
 */
import type { NodeId } from '../../src/base/ids.ts';
import type { TableFence } from '../../src/kv/kv-client.ts';
import type { Transport } from '../transport/transport.ts';

const METHOD = 'schema.changed';
/** A node that takes longer is left to the fences. */
const TELL_MAX_MS = 1000;

interface News {
  readonly tables: readonly TableFence[];
}

export class SchemaNews {
  readonly #transport: Transport;
  readonly #peers: readonly NodeId[];
  readonly #listeners: ((table: TableFence) => void)[] = [];

  constructor(transport: Transport, peers: readonly NodeId[]) {
    this.#transport = transport;
    this.#peers = peers;
    transport.register(METHOD, (body) => {
      for (const table of (body as News).tables) {
        for (const listener of this.#listeners) listener(table);
      }
      return true;
    });
  }

  listen(listener: (table: TableFence) => void): void {
    this.#listeners.push(listener);
  }

  /** Resolves when every node that can be reached knows. Never throws. */
  async tell(tables: readonly TableFence[]): Promise<void> {
    const news: News = { tables };
    await Promise.allSettled(
      this.#peers.map((peer) => {
        return this.#transport.call(peer, METHOD, news, { timeoutMs: TELL_MAX_MS });
      }),
    );
  }
}
