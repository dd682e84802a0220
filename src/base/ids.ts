/**
 * Branded identifiers. An attempt id (`TxnId`) is 13 latin1 characters, so that it is a cheap map key, orders by
 * time first, and carries the gateway's HLC at COMMIT (TXN-12 compares that with the horizon).
 */
import { assert } from './assert.ts';
import type { Timestamp } from './timestamp.ts';

declare const brand: unique symbol;

export type NodeId = number & { readonly [brand]: 'NodeId' };
export type RangeId = number & { readonly [brand]: 'RangeId' };
/** One attempt of a transaction; a retry has a new one. */
export type TxnId = string & { readonly [brand]: 'TxnId' };
/** What owns locks: one per session's transaction block, kept over its retries. */
export type LockId = string & { readonly [brand]: 'LockId' };

export const TXN_ID_LENGTH = 13;

export function nodeId(value: number): NodeId {
  assert(Number.isSafeInteger(value) && value > 0 && value < 65536, 'node id out of range');
  return value as NodeId;
}

export function rangeId(value: number): RangeId {
  assert(Number.isSafeInteger(value) && value > 0, 'range id out of range');
  return value as RangeId;
}

/** 7 bytes of HLC, 2 of node, 4 of counter, big endian. */
export function makeTxnId(at: Timestamp, node: NodeId, counter: number): TxnId {
  // NB: one flat string, made in one call: ids are made for every transaction, and compared and hashed often.
  const high = Math.floor(at / 0x100000000);
  const low = at % 0x100000000;
  return String.fromCharCode(
    (high >>> 16) & 255,
    (high >>> 8) & 255,
    high & 255,
    (low >>> 24) & 255,
    (low >>> 16) & 255,
    (low >>> 8) & 255,
    low & 255,
    (node >>> 8) & 255,
    node & 255,
    (counter >>> 24) & 255,
    (counter >>> 16) & 255,
    (counter >>> 8) & 255,
    counter & 255,
  ) as TxnId;
}

/** The HLC that the gateway read when COMMIT was sent. */
export function txnIdTime(id: TxnId): Timestamp {
  let value = 0;
  for (let i = 0; i < 7; i++) value = value * 256 + id.charCodeAt(i);
  return value as Timestamp;
}

export function txnIdNode(id: TxnId): NodeId {
  return nodeId(id.charCodeAt(7) * 256 + id.charCodeAt(8));
}

export function txnIdCounter(id: TxnId): number {
  let value = 0;
  for (let i = 9; i < TXN_ID_LENGTH; i++) value = value * 256 + id.charCodeAt(i);
  return value;
}

/** The gateway of a session: its lock id has the form of an attempt id. */
export function lockIdNode(id: LockId): NodeId {
  return txnIdNode(id as string as TxnId);
}

/** For logs and messages: `time.node.counter`. */
export function formatTxnId(id: TxnId): string {
  return `${txnIdTime(id)}.${txnIdNode(id)}.${txnIdCounter(id)}`;
}
