/**
 * Where the catalog keeps its rows, in `CATALOG_SPAN`:
 *
 *   0x02 'd' <id>                    a descriptor: table or sequence
 *   0x02 'n' <schema> 0x00 <name>    the object of a name: tables, indexes and sequences share one name space
 *   0x02 's' <name>                  a schema other than the ones that always exist
 *   0x02 'i'                         the highest object id given out
 *   0x02 'q' <state id>              the state of a sequence
 *   0x02 'g' <table> <index>         rows of an index that is no more, to be removed (garbage-sweeper.ts)
 *
 * Names are UTF-8 bytes; they hold no 0x00.
 */
import type { Key, Span } from '../../src/base/span.ts';
import { prefixSpan } from '../../src/base/span.ts';
import { CATALOG_SPAN, encodeId } from '../../src/kv/keyspace.ts';

const ROOT = CATALOG_SPAN.start;

export const DESCRIPTOR_SPAN: Span = prefixSpan((ROOT + 'd') as Key);
export const NAME_SPAN: Span = prefixSpan((ROOT + 'n') as Key);
export const SCHEMA_SPAN: Span = prefixSpan((ROOT + 's') as Key);
export const GARBAGE_SPAN: Span = prefixSpan((ROOT + 'g') as Key);
export const ID_COUNTER_KEY = (ROOT + 'i') as Key;

/** Object ids below are Postgres' own: catalog tables, types. */
export const FIRST_OBJECT_ID = 16384;

export function descriptorKey(id: number): Key {
  return (ROOT + 'd' + encodeId(id)) as Key;
}

export function nameKey(schema: string, name: string): Key {
  return (ROOT + 'n' + binary(schema) + '\0' + binary(name)) as Key;
}

export function schemaKey(name: string): Key {
  return (ROOT + 's' + binary(name)) as Key;
}

export function schemaNameOfKey(key: Key): string {
  return Buffer.from(key.slice(ROOT.length + 1), 'latin1').toString('utf8');
}

/** All names of a schema. */
export function schemaNamesSpan(schema: string): Span {
  return prefixSpan((ROOT + 'n' + binary(schema) + '\0') as Key);
}

export function sequenceKey(stateId: string): Key {
  return (ROOT + 'q' + stateId) as Key;
}

/** The table and index are in the value too (`encodeGarbage`), so that nothing has to take the key apart. */
export function garbageKey(tableId: number, indexId: number): Key {
  return (ROOT + 'g' + encodeId(tableId) + encodeId(indexId)) as Key;
}

function binary(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1');
}
