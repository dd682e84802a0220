/**
 * Accepted sockets that read into one buffer, which all of them share: what a read has brought is copied out of it at
 * once. By itself Node allocates 64 KiB for every read of a socket, of which a message of some hundred bytes leaves
 * nearly all unused (ADR 0012 has what that costs).
 *
 * Node has an option for it, `onread`, which only sockets that connect can be given. So the connection is handed over to
 * a second `net.Socket`, by means that Node does not document: the option `handle`, which its own servers use, and the
 * fields `_handle` and `_server`. Node 20 to 24 have them. Where one is missing the socket stays as it is, and reads as
 * ever: slower, not wrong.
 */
import net from 'node:net';

const READ_BYTES = 64 * 1024;
const shared = Buffer.allocUnsafeSlow(READ_BYTES);

interface Inner {
  _handle: object | null;
  /** Counts its connections, and is told by a socket that has been destroyed. */
  _server: net.Server | null;
}

/** To be set for a server whose sockets are handed over: nothing may have been read before. */
export const SERVER_OPTIONS = { pauseOnConnect: true } as const;

/**
 * What to use in place of the socket, which is not to be touched any more. It reads already: listeners for 'data' and
 * the like have to be there when this step ends. Its chunks are their receiver's.
 */
export function withSharedReads(accepted: net.Socket, highWaterMark: number): net.Socket {
  const inner = accepted as unknown as Partial<Inner>;
  const { _handle: handle, _server: server } = inner;
  if (typeof handle !== 'object' || handle === null || !(server instanceof net.Server)) {
    return accepted.resume();
  }
  const options = {
    handle,
    highWaterMark,
    onread: {
      buffer: shared,
      callback: (length: number, buffer: Uint8Array): boolean => {
        socket.emit('data', Buffer.from(buffer.subarray(0, length)));
        return true;
      },
    },
  };
  const socket = new net.Socket(options as net.SocketConstructorOpts);
  const taken = socket as unknown as Inner;
  if (taken._handle !== handle) return accepted.resume();
  taken._server = server;
  inner._handle = null;
  inner._server = null;
  return socket;
}
