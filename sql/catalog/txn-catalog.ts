/**
 * The catalog as one transaction sees it. As long as the transaction has not changed the schema itself, names are
 * answered from the node's cache, or by a short read of their own: so an ordinary transaction never has the catalog
 * in its read set, and the fences of the tables say whether what was found is in force. Once it has changed the
 * schema, or met a version other than the newest, everything is read within the transaction.
 *
 * Absence is never remembered beyond the statement's own reads, so a name that was just created elsewhere is found.
 */
import type { Key } from '../../src/base/span.ts';
import type { KvClient, KvTxn } from '../../src/kv/kv-client.ts';
import type { Steps } from '../../src/base/steps.ts';
import { wait } from '../../src/base/steps.ts';
import type { CatalogCache } from './catalog-cache.ts';
import {
  DESCRIPTOR_SPAN,
  SCHEMA_SPAN,
  descriptorKey,
  nameKey,
  schemaKey,
  schemaNameOfKey,
} from './catalog-keys.ts';
import type { NameEntry } from './descriptor-codec.ts';
import { decodeDescriptor, decodeName, encodeDescriptor, encodeName } from './descriptor-codec.ts';
import type { Descriptor } from './descriptors.ts';

/** Schemas that always exist. */
export const BUILT_IN_SCHEMAS: readonly string[] = ['public', 'pg_catalog', 'information_schema'];

export interface CatalogMark {
  readonly changes: readonly Descriptor[];
  readonly dropped: readonly number[];
  readonly hasChanged: boolean;
}

export interface NamedDescriptor {
  readonly kind: NameEntry['kind'];
  /** The table that has the index, for an index. */
  readonly descriptor: Descriptor;
}

const READ_BYTES = 1 << 20;

export class TxnCatalog {
  readonly #txn: KvTxn;
  readonly #kv: KvClient;
  readonly #cache: CatalogCache;
  readonly #signal: AbortSignal;
  /** Descriptors this transaction has written, oldest first; the last of an id counts. */
  #changes: readonly Descriptor[] = [];
  #dropped: readonly number[] = [];
  #hasChanged = false;
  #isAtSnapshot = false;
  /** What was read within the transaction. */
  #local = new Map<number, Descriptor | undefined>();
  #localNames = new Map<Key, NameEntry | undefined>();

  constructor(txn: KvTxn, kv: KvClient, cache: CatalogCache, signal: AbortSignal) {
    this.#txn = txn;
    this.#kv = kv;
    this.#cache = cache;
    this.#signal = signal;
  }

  /** Own schema changes, or a snapshot below the newest schema: nothing planned here is of use to others. */
  get isPrivate(): boolean {
    return this.#hasChanged || this.#isAtSnapshot;
  }

  /** From now on the catalog is read at the transaction's snapshot. */
  useSnapshot(): void {
    this.#isAtSnapshot = true;
    this.refresh();
  }

  get isAtSnapshot(): boolean {
    return this.#isAtSnapshot;
  }

  /** The snapshot has moved: what was read within the transaction may have changed. */
  refresh(): void {
    this.#local = new Map();
    this.#localNames = new Map();
  }

  *byName(schema: string, name: string): Steps<NamedDescriptor | undefined> {
    if (this.isPrivate) return yield* this.#named(schema, name);
    const known = this.#cache.byName(schema, name);
    if (known !== undefined) return { kind: known.kind, descriptor: known };
    const found = yield* this.newestByName(schema, name);
    if (found !== undefined) this.#cache.put(found.descriptor);
    return found;
  }

  /** As it is now, whatever the node knows. */
  *newestByName(schema: string, name: string): Steps<NamedDescriptor | undefined> {
    const reader = this.#kv.begin({ txnMaxBytes: READ_BYTES, signal: this.#signal });
    try {
      const bytes = yield* wait(reader.get(nameKey(schema, name), undefined));
      if (bytes === undefined) return undefined;
      const entry = decodeName(bytes);
      const descriptor = yield* readDescriptor(reader, entry.id);
      return descriptor === undefined ? undefined : { kind: entry.kind, descriptor };
    } finally {
      reader.rollback();
    }
  }

  *byId(id: number): Steps<Descriptor | undefined> {
    if (this.isPrivate) return yield* this.#describe(id);
    const known = this.#cache.byId(id);
    if (known !== undefined) return known;
    const reader = this.#kv.begin({ txnMaxBytes: READ_BYTES, signal: this.#signal });
    try {
      const descriptor = yield* readDescriptor(reader, id);
      if (descriptor !== undefined) this.#cache.put(descriptor);
      return descriptor;
    } finally {
      reader.rollback();
    }
  }

  /** Within the transaction: the answer, also that there is nothing, joins its read set. */
  *nameInTxn(schema: string, name: string): Steps<NameEntry | undefined> {
    const key = nameKey(schema, name);
    if (this.#localNames.has(key)) return this.#localNames.get(key);
    const bytes = yield* wait(this.#txn.get(key, undefined));
    const entry = bytes === undefined ? undefined : decodeName(bytes);
    this.#localNames.set(key, entry);
    return entry;
  }

  *descriptorInTxn(id: number): Steps<Descriptor | undefined> {
    return yield* this.#describe(id);
  }

  *hasSchema(name: string): Steps<boolean> {
    if (BUILT_IN_SCHEMAS.includes(name)) return true;
    return (yield* wait(this.#txn.get(schemaKey(name), undefined))) !== undefined;
  }

  /** All schemas, in the order of their names. */
  *schemas(): Steps<string[]> {
    const found = [...BUILT_IN_SCHEMAS];
    const cursor = this.#txn.scan(SCHEMA_SPAN, undefined);
    for (let rows = yield* wait(cursor.next()); rows; rows = yield* wait(cursor.next())) {
      for (const row of rows) found.push(schemaNameOfKey(row.key));
    }
    return found.sort();
  }

  /** All descriptors at the transaction's snapshot. */
  *all(): Steps<Descriptor[]> {
    const found: Descriptor[] = [];
    const cursor = this.#txn.scan(DESCRIPTOR_SPAN, undefined);
    for (let rows = yield* wait(cursor.next()); rows; rows = yield* wait(cursor.next())) {
      for (const row of rows) found.push(decodeDescriptor(row.value));
    }
    return found;
  }

  // -- changes ------------------------------------------------------------------------------------------------

  *write(descriptor: Descriptor): Steps<void> {
    this.#hasChanged = true;
    this.#changes = [...this.#changes, descriptor];
    const bytes = encodeDescriptor(descriptor);
    yield* wait(this.#txn.put(descriptorKey(descriptor.id), bytes, undefined));
    this.#local.set(descriptor.id, descriptor);
  }

  *remove(id: number): Steps<void> {
    this.#hasChanged = true;
    this.#dropped = [...this.#dropped, id];
    yield* wait(this.#txn.delete(descriptorKey(id), undefined));
    this.#local.set(id, undefined);
  }

  *writeName(schema: string, name: string, entry: NameEntry): Steps<void> {
    this.#hasChanged = true;
    const key = nameKey(schema, name);
    yield* wait(this.#txn.put(key, encodeName(entry), undefined));
    this.#localNames.set(key, entry);
  }

  *removeName(schema: string, name: string): Steps<void> {
    this.#hasChanged = true;
    const key = nameKey(schema, name);
    yield* wait(this.#txn.delete(key, undefined));
    this.#localNames.set(key, undefined);
  }

  mark(): CatalogMark {
    return { changes: this.#changes, dropped: this.#dropped, hasChanged: this.#hasChanged };
  }

  rollbackTo(mark: CatalogMark): void {
    this.#changes = mark.changes;
    this.#dropped = mark.dropped;
    this.#hasChanged = mark.hasChanged;
    this.refresh();
  }

  /** The changes are in force: the node knows them at once. */
  onCommitted(): void {
    for (const id of this.#dropped) this.#cache.forget(id);
    for (const descriptor of this.#changes) {
      if (!this.#dropped.includes(descriptor.id)) this.#cache.put(descriptor);
    }
  }

  *#named(schema: string, name: string): Steps<NamedDescriptor | undefined> {
    const entry = yield* this.nameInTxn(schema, name);
    if (entry === undefined) return undefined;
    const descriptor = yield* this.#describe(entry.id);
    return descriptor === undefined ? undefined : { kind: entry.kind, descriptor };
  }

  *#describe(id: number): Steps<Descriptor | undefined> {
    if (this.#local.has(id)) return this.#local.get(id);
    const descriptor = yield* readDescriptor(this.#txn, id);
    this.#local.set(id, descriptor);
    return descriptor;
  }
}

function* readDescriptor(txn: KvTxn, id: number): Steps<Descriptor | undefined> {
  const bytes = yield* wait(txn.get(descriptorKey(id), undefined));
  return bytes === undefined ? undefined : decodeDescriptor(bytes);
}
