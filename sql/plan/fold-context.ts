/** The surroundings of what is computed without a session: immutable functions and casts, which ask for none of it. */
import { internalError } from '../errors/sql-error.ts';
import type { EvalContext } from '../functions/eval-context.ts';
import { DEFAULT_FORMAT } from '../types/format-context.ts';

function noSession(): never {
  throw internalError('an expression that needs a session was evaluated without one');
}

export const FOLD_CONTEXT: EvalContext = {
  ...DEFAULT_FORMAT,
  statementMicros: 0n,
  clockMicros: noSession,
  random: noSession,
  randomBytes: noSession,
  currentUser: '',
  sessionUser: '',
  database: '',
  currentSchema: '',
  backendPid: 0,
  versionText: '',
  setting: noSession,
  sleep: noSession,
  sequences: {
    nextval: noSession,
    currval: noSession,
    lastval: noSession,
    setval: noSession,
    serialSequence: noSession,
  },
};
