/** Byte-stream sockets for clients (SQL, HTTP): what the wire protocol needs of TCP, and no more. */
export interface StreamSocket {
  readonly remote: string;
  /** True when the peer is on the loopback interface. */
  readonly isLoopback: boolean;
  /**
   * Takes the bytes; false when more than the high-water mark is buffered (then wait for `onDrain`). They must not
   * change until `bufferedBytes` is 0.
   */
  write(bytes: Uint8Array): boolean;
  /** Bytes accepted and not yet handed to the kernel. */
  bufferedBytes(): number;
  /** Stops and restarts `onData`: backpressure towards the client. */
  pause(): void;
  resume(): void;
  /** Flushes, then closes. */
  end(): void;
  /** Closes now. */
  destroy(): void;
  setHandlers(handlers: SocketHandlers): void;
}

export interface SocketHandlers {
  onData(bytes: Buffer): void;
  onDrain(): void;
  /** Once, after which no handler is called. */
  onClose(): void;
}

export interface Listener {
  readonly port: number;
  close(): Promise<void>;
}

export interface Sockets {
  /** Rejects with a `QuorateError` 'port_taken' when the port is in use. */
  listen(host: string, port: number, onSocket: (socket: StreamSocket) => void): Promise<Listener>;
}
