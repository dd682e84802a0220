/** Schema changes over `LocalKv` without a session: for tests of the catalog and of what writes rows. */
import { run } from '../../src/base/steps.ts';
import type { Steps } from '../../src/base/steps.ts';
import type { KvTxn } from '../../src/kv/kv-client.ts';
import { CatalogCache } from '../../sql/catalog/catalog-cache.ts';
import { alterTable } from '../../sql/catalog/alter-table.ts';
import { createTable } from '../../sql/catalog/create-table.ts';
import {
  createIndex,
  createSchema,
  dropObjects,
  truncate,
} from '../../sql/catalog/drop-objects.ts';
import { SchemaEditor } from '../../sql/catalog/schema-change.ts';
import { createSequence } from '../../sql/catalog/sequence-change.ts';
import type { TableDescriptor } from '../../sql/catalog/descriptors.ts';
import { TxnCatalog } from '../../sql/catalog/txn-catalog.ts';
import { TableRewrite } from '../../sql/exec/table-rewrite.ts';
import { parseStatements } from '../../sql/parser/parse.ts';
import { printExpression } from '../../sql/parser/print.ts';
import { DEFAULT_FORMAT } from '../../sql/types/format-context.ts';
import type { LocalKv } from './local-kv.ts';

export interface SchemaBench {
  readonly txn: KvTxn;
  readonly catalog: TxnCatalog;
  readonly notices: string[];
  ddl(text: string): Promise<void>;
  table(name: string): Promise<TableDescriptor>;
  commit(): Promise<void>;
}

const LOCK = { strength: 'update', wait: 'block', timeoutMs: 0 } as const;

export function schemaBench(kv: LocalKv, cache = new CatalogCache()): SchemaBench {
  const { signal } = new AbortController();
  const txn = kv.begin({ txnMaxBytes: 1e8, signal });
  const catalog = new TxnCatalog(txn, kv, cache, signal);
  const notices: string[] = [];
  const ports = { signal, workMemBytes: 1e8, pause: () => undefined };
  const rows = new TableRewrite({
    ...{ ...ports, txn, format: DEFAULT_FORMAT },
    checkPredicate: () => () => true,
  });
  const editor = new SchemaEditor({
    ...{ catalog, txn, lock: LOCK, searchPath: ['public'], rows },
    expressions: {
      defaultSql: (expr) => printExpression(expr),
      checkSql: (expr) => printExpression(expr),
      columnsOf: () => [],
      constantOf: (sql) => (sql === '7' ? 7 : undefined),
      conversion: () => () => null,
    },
    uniqueInt: () => kv.uniqueInt(),
    at: (_position, work) => work(),
    notice: (sqlState, message) => notices.push(`${sqlState} ${message}`),
  });
  const dispatch = (text: string): Steps<void> => {
    const statement = parseStatements(text)[0]?.statement;
    switch (statement?.kind) {
      case 'create table':
        return createTable(editor, statement);
      case 'alter table':
        return alterTable(editor, statement);
      case 'create index':
        return createIndex(editor, statement);
      case 'create schema':
        return createSchema(editor, statement);
      case 'create sequence':
        return createSequence(editor, statement);
      case 'drop':
        return dropObjects(editor, statement);
      case 'truncate':
        return truncate(editor, statement);
      default:
        throw new Error(`not a schema statement: ${text}`);
    }
  };
  return {
    ...{ txn, catalog, notices },
    ddl: async (text) => run(dispatch(text)),
    table: async (name) => {
      const found = await run(catalog.byName('public', name));
      if (found?.descriptor.kind !== 'table') throw new Error(`no table ${name}`);
      return found.descriptor;
    },
    commit: async () => {
      await txn.commit();
      catalog.onCommitted();
    },
  };
}
