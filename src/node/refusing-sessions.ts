/**
 * What answers SQL clients until the SQL layer is there: every connection is refused with 0A000 and says why.
 * docs/sql.md tells what is missing.
 */
import { SqlError } from '../../sql/errors/sql-error.ts';
import type { SessionFactory } from '../../sql/session/session-api.ts';

export function refusingSessions(): SessionFactory {
  return {
    open: () =>
      Promise.reject(
        new SqlError('0A000', 'this build of Quorate does not run SQL statements yet', {
          severity: 'FATAL',
          hint: 'docs/sql.md says what is there; "quorate status" shows the cluster.',
        }),
      ),
  };
}
