/** CREATE SEQUENCE and the sequences of SERIAL and identity columns. */
import type { Steps } from '../../src/base/steps.ts';
import { SqlError, notSupported, syntaxError } from '../errors/sql-error.ts';
import { SQLSTATE } from '../errors/sqlstate.ts';
import type { CreateSequence, SequenceOption } from '../parser/ast-schema.ts';
import type { SqlType } from '../types/sql-type.ts';
import { INT8, displayName, isIntegerType } from '../types/sql-type.ts';
import { chooseName } from './constraint-names.ts';
import type { ColumnDescriptor, SequenceDescriptor } from './descriptors.ts';
import type { SchemaEditor } from './schema-change.ts';
import { refuse } from './schema-change.ts';
import { resolveTypeName } from './type-names.ts';

const BOUNDS: ReadonlyMap<string, readonly [bigint, bigint]> = new Map([
  ['int2', [-32768n, 32767n]],
  ['int4', [-2147483648n, 2147483647n]],
  ['int8', [-9223372036854775808n, 9223372036854775807n]],
]);

export function* createSequence(editor: SchemaEditor, statement: CreateSequence): Steps<void> {
  refuse(statement.isTemporary, 'a temporary sequence');
  const { name } = statement;
  const schema = yield* editor.creationSchema(name);
  if (yield* editor.isNameTaken(schema, name.name)) {
    if (!statement.ifNotExists) yield* editor.mustBeFree(schema, name.name);
    editor.ports.notice('42P07', `relation "${name.name}" already exists, skipping`);
    return;
  }
  const type = statement.type === undefined ? INT8 : resolveTypeName(statement.type);
  if (!isIntegerType(type)) {
    throw new SqlError(
      SQLSTATE.INVALID_PARAMETER_VALUE,
      'sequence type must be smallint, integer, or bigint',
    );
  }
  yield* writeSequence(editor, {
    ...{ schema, name: name.name, type, options: statement.options, ownedBy: undefined },
  });
}

interface OwnedSequence {
  readonly schema: string;
  readonly table: string;
  readonly tableId: number;
  readonly column: ColumnDescriptor;
  readonly options: readonly SequenceOption[];
}

export function* createOwnedSequence(
  editor: SchemaEditor,
  { schema, table, tableId, column, options }: OwnedSequence,
): Steps<SequenceDescriptor> {
  const parts = { table, columns: [column.name], label: 'seq' };
  const name = yield* editor.freeName(schema, (isTaken) => chooseName(parts, isTaken));
  const ownedBy = { tableId, columnId: column.id };
  return yield* writeSequence(editor, { schema, name, type: column.type, options, ownedBy });
}

interface NewSequence {
  readonly schema: string;
  readonly name: string;
  readonly type: SqlType;
  readonly options: readonly SequenceOption[];
  readonly ownedBy: SequenceDescriptor['ownedBy'];
}

function* writeSequence(editor: SchemaEditor, sequence: NewSequence): Steps<SequenceDescriptor> {
  const { schema, name, type, ownedBy } = sequence;
  const descriptor: SequenceDescriptor = {
    ...{ kind: 'sequence', schema, name, type, ownedBy, version: 1 },
    id: yield* editor.newObjectId(),
    stateId: editor.newStateId(),
    ...sequenceNumbers(sequence.options, type),
  };
  const { catalog } = editor.ports;
  yield* catalog.write(descriptor);
  yield* catalog.writeName(schema, name, { kind: 'sequence', id: descriptor.id });
  return descriptor;
}

type SequenceNumbers = Pick<
  SequenceDescriptor,
  'start' | 'increment' | 'min' | 'max' | 'cache' | 'cycles'
>;

function sequenceNumbers(options: readonly SequenceOption[], type: SqlType): SequenceNumbers {
  const values = new Map<string, string | undefined>();
  for (const option of options) {
    if (option.name === 'owned by' && option.value !== 'none') {
      throw notSupported('OWNED BY of a sequence is not supported', 'Use SERIAL or an identity.');
    }
    if (values.has(option.name)) throw syntaxError('conflicting or redundant options');
    values.set(option.name, option.value);
  }
  const number = (...names: readonly string[]): bigint | undefined => {
    for (const name of names) {
      const text = values.get(name);
      if (text !== undefined) return BigInt(text);
    }
    return undefined;
  };
  const [lowest, highest] = BOUNDS.get(type.name) ?? [0n, 0n];
  const increment = number('increment', 'increment by') ?? 1n;
  if (increment === 0n) throw invalid('INCREMENT must not be zero');
  const isAscending = increment > 0n;
  const min = number('minvalue') ?? (isAscending ? 1n : lowest);
  const max = number('maxvalue') ?? (isAscending ? highest : -1n);
  if (min < lowest) {
    throw invalid(`MINVALUE (${min}) is out of range for sequence data type ${displayName(type)}`);
  }
  if (max > highest) {
    throw invalid(`MAXVALUE (${max}) is out of range for sequence data type ${displayName(type)}`);
  }
  if (min >= max) throw invalid(`MINVALUE (${min}) must be less than MAXVALUE (${max})`);
  const start = number('start', 'start with') ?? (isAscending ? min : max);
  if (start < min) throw invalid(`START value (${start}) cannot be less than MINVALUE (${min})`);
  if (start > max) throw invalid(`START value (${start}) cannot be greater than MAXVALUE (${max})`);
  const cache = number('cache') ?? 1n;
  if (cache <= 0n) throw invalid(`CACHE (${cache}) must be greater than zero`);
  return { start, increment, min, max, cache, cycles: values.has('cycle') };
}

function invalid(message: string): SqlError {
  return new SqlError(SQLSTATE.INVALID_PARAMETER_VALUE, message);
}
