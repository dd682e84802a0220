/**
 * The links between the nodes of a cluster of processes, as relays in this process: one for each direction between two
 * nodes (every node sends on the connection that it made), so that a link can be cut one way or both ways without any
 * privilege. What is sent over a link that is cut is held and arrives late, as TCP would have it, unless it is reset.
 */
import net from 'node:net';

const HOST = '127.0.0.1';

export class PeerRelays {
  readonly #relays: ReadonlyMap<string, Relay>;

  /** `ports`: where each node listens for its peers. */
  static async open(ports: ReadonlyMap<number, number>): Promise<PeerRelays> {
    const relays = new Map<string, Relay>();
    for (const from of ports.keys()) {
      for (const [to, port] of ports) {
        if (from !== to) relays.set(`${from}>${to}`, await Relay.open(port));
      }
    }
    return new PeerRelays(relays);
  }

  private constructor(relays: ReadonlyMap<string, Relay>) {
    this.#relays = relays;
  }

  /** Where `from` finds `to`. */
  port(from: number, to: number): number {
    return this.#relay(from, to).port;
  }

  /** From now on nothing that `from` sends reaches `to`. */
  cut(from: number, to: number): void {
    this.#relay(from, to).cut();
  }

  /** The connection on which `from` sends to `to` is lost. */
  reset(from: number, to: number): void {
    this.#relay(from, to).reset();
  }

  heal(): void {
    for (const relay of this.#relays.values()) relay.heal();
  }

  close(): void {
    for (const relay of this.#relays.values()) relay.close();
  }

  #relay(from: number, to: number): Relay {
    const relay = this.#relays.get(`${from}>${to}`);
    if (relay === undefined) throw new Error(`there is no link from ${from} to ${to}`);
    return relay;
  }
}

class Relay {
  readonly #server: net.Server;
  readonly #target: number;
  readonly #pairs = new Set<Pair>();
  #isCut = false;

  static async open(target: number): Promise<Relay> {
    const server = net.createServer({ noDelay: true, pauseOnConnect: true });
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen({ port: 0, host: HOST }, resolve);
    });
    return new Relay(server, target);
  }

  private constructor(server: net.Server, target: number) {
    this.#server = server;
    this.#target = target;
    server.on('connection', (near) => this.#onConnection(near));
  }

  get port(): number {
    return (this.#server.address() as net.AddressInfo).port;
  }

  cut(): void {
    this.#isCut = true;
    for (const pair of this.#pairs) pair.hold();
  }

  heal(): void {
    this.#isCut = false;
    for (const pair of this.#pairs) pair.release();
  }

  reset(): void {
    for (const pair of this.#pairs) pair.destroy();
  }

  close(): void {
    this.#server.close();
    this.reset();
  }

  #onConnection(near: net.Socket): void {
    const pair = new Pair(near, this.#target, () => this.#pairs.delete(pair));
    this.#pairs.add(pair);
    if (!this.#isCut) pair.release();
  }
}

/** One connection from node to node, in two halves. */
class Pair {
  readonly #near: net.Socket;
  readonly #target: number;
  readonly #onEnd: () => void;
  #far: net.Socket | undefined;
  #isHeld = true;
  /** One side has ended, which the other is not told while the link is cut. */
  #hasEnded = false;

  constructor(near: net.Socket, target: number, onEnd: () => void) {
    this.#near = near;
    this.#target = target;
    this.#onEnd = onEnd;
    this.#watch(near);
  }

  hold(): void {
    this.#isHeld = true;
    if (this.#far !== undefined) this.#near.unpipe(this.#far);
    this.#near.pause();
  }

  release(): void {
    if (!this.#isHeld) return;
    this.#isHeld = false;
    if (this.#hasEnded) {
      this.destroy();
      return;
    }
    this.#far ??= this.#connect();
    this.#near.pipe(this.#far);
  }

  destroy(): void {
    this.#near.destroy();
    this.#far?.destroy();
    this.#onEnd();
  }

  #connect(): net.Socket {
    const far = net.connect({ port: this.#target, host: HOST, noDelay: true });
    this.#watch(far);
    // Nothing comes back on it but its end.
    far.resume();
    return far;
  }

  #watch(socket: net.Socket): void {
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.#hasEnded = true;
      if (!this.#isHeld) this.destroy();
    });
  }
}
