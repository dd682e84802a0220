/** The default of a column, kept by the catalog as SQL text, as an expression. */
import type { Scalar } from '../algebra/scalar.ts';
import type { ColumnDescriptor } from '../catalog/descriptors.ts';
import { parseExpression } from '../parser/parse.ts';
import { BindContext } from './bind-context.ts';
import { coerceToColumn, constant } from './coerce.ts';
import { ExpressionBinder } from './expression-binder.ts';
import { ParameterTypes } from './parameters.ts';
import { Scope } from './scope.ts';
import { notSupported } from '../errors/sql-error.ts';

/** NULL where there is none. Errors do not point into the statement, which does not have the text. */
export function bindDefault(
  ctx: BindContext,
  column: Pick<ColumnDescriptor, 'defaultSql' | 'type' | 'name'>,
): Scalar {
  if (column.defaultSql === undefined) return constant(column.type, null);
  const text = column.defaultSql;
  const own = new BindContext({
    ...{ text, catalog: ctx.catalog, parameters: new ParameterTypes([]) },
    evalContext: ctx.evalContext,
    bindQuery: () => {
      throw notSupported('a query in a default is not supported');
    },
  });
  const binder = new ExpressionBinder(own, new Scope().in('DEFAULT expressions'));
  return coerceToColumn(own, binder.placed(parseExpression(text)), column);
}
