/**
 * A client of etcd's key-value service (gRPC over HTTP/2) that costs little: the three calls that are measured, encoded
 * by hand, over an HTTP/2 connection that many of its users share, as they do in etcd's own client library. A full gRPC
 * library takes several times the processor time per call in this language, which etcd would pay for on a machine that
 * the client shares.
 *
 * It does not do: TLS, authentication, watches, leases, another member when one fails.
 */
import http2 from 'node:http2';
import { SqlFailure } from '../workload.ts';
import { encodeProto, fieldsOf } from './protobuf.ts';
import type { ProtoValue } from './protobuf.ts';

const HEAD_BYTES = 5;
/** Larger than what etcd sends here: windows never hold it up. */
const WINDOW_BYTES = 16 << 20;

/* etcd's rpc.proto, as far as used. */
const PUT = { key: 1, value: 2 } as const;
const RANGE = { key: 1 } as const;
const RANGE_RESPONSE_KVS = 2;
const KEY_VALUE_VALUE = 5;
const TXN = { compare: 1, success: 2 } as const;
const COMPARE = { result: 1, target: 2, key: 3, version: 4 } as const;
const COMPARE_GREATER = 1;
const OPERATION_PUT = 2;
const OPERATION_RANGE = 1;
const TXN_RESPONSE_SUCCEEDED = 2;

export class EtcdClient {
  readonly #session: http2.ClientHttp2Session;

  private constructor(session: http2.ClientHttp2Session) {
    this.#session = session;
  }

  /** Rejects with 08001 when nobody answers there. */
  static connect(url: string): Promise<EtcdClient> {
    return new Promise((resolve, reject) => {
      const session = http2.connect(url, { settings: { initialWindowSize: WINDOW_BYTES } });
      session.once('error', (error: Error) => reject(new SqlFailure('08001', error.message)));
      session.once('connect', () => {
        session.removeAllListeners('error');
        // What is under way is told by its stream.
        session.on('error', () => undefined);
        session.setLocalWindowSize(WINDOW_BYTES);
        resolve(new EtcdClient(session));
      });
    });
  }

  async put(key: string, value: string): Promise<void> {
    await this.#call('Put', putRequest(key, value));
  }

  /** A linearizable read; undefined when there is no such key. */
  async get(key: string): Promise<string | undefined> {
    const reply = await this.#call('Range', encodeProto([[RANGE.key, Buffer.from(key)]]));
    const [pair] = fieldsOf(reply, RANGE_RESPONSE_KVS).map(bufferOf);
    if (pair === undefined) return undefined;
    const [value] = fieldsOf(pair, KEY_VALUE_VALUE).map(bufferOf);
    return (value ?? Buffer.alloc(0)).toString();
  }

  /** If the key exists, reads and writes it in one transaction; false when it does not. */
  async replace(key: string, value: string): Promise<boolean> {
    const compare = encodeProto([
      [COMPARE.result, COMPARE_GREATER],
      [COMPARE.target, 0],
      [COMPARE.key, Buffer.from(key)],
      [COMPARE.version, 0],
    ]);
    const read = encodeProto([[OPERATION_RANGE, encodeProto([[RANGE.key, Buffer.from(key)]])]]);
    const write = encodeProto([[OPERATION_PUT, putRequest(key, value)]]);
    const request = encodeProto([
      [TXN.compare, compare],
      [TXN.success, read],
      [TXN.success, write],
    ]);
    const reply = await this.#call('Txn', request);
    return fieldsOf(reply, TXN_RESPONSE_SUCCEEDED)[0] === 1;
  }

  close(): void {
    this.#session.destroy();
  }

  #call(method: string, message: Buffer): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      const stream = this.#session.request({
        ':method': 'POST',
        ':path': `/etcdserverpb.KV/${method}`,
        'content-type': 'application/grpc',
        te: 'trailers',
      });
      const fail = (why: string): void => reject(new SqlFailure('08006', `etcd: ${why}`));
      const chunks: Buffer[] = [];
      let status: string | undefined;
      let said = '';
      const note = (headers: http2.IncomingHttpHeaders): void => {
        if (headers['grpc-status'] !== undefined) status = String(headers['grpc-status']);
        if (headers['grpc-message'] !== undefined) said = String(headers['grpc-message']);
      };
      stream.on('response', note);
      stream.on('trailers', note);
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.once('error', (error: Error) => fail(error.message));
      stream.once('close', () => {
        if (status !== '0') fail(status === undefined ? 'no answer' : `${said} (${status})`);
        else resolve(unframed(chunks));
      });
      stream.end(framed(message));
    });
  }
}

function putRequest(key: string, value: string): Buffer {
  return encodeProto([
    [PUT.key, Buffer.from(key)],
    [PUT.value, Buffer.from(value)],
  ]);
}

function bufferOf(value: ProtoValue): Buffer {
  if (typeof value === 'number') throw new RangeError('etcd answered with another message');
  return value;
}

function framed(message: Buffer): Buffer {
  const head = Buffer.alloc(HEAD_BYTES);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

function unframed(chunks: readonly Buffer[]): Buffer {
  const [first] = chunks;
  const bytes = chunks.length === 1 && first !== undefined ? first : Buffer.concat(chunks);
  return bytes.subarray(HEAD_BYTES);
}
