/**
 * The surroundings of a statement that is run apart from its session, at another node or at another time (at-once.ts,
 * TXN-17): whatever it asks for beyond its parameters is its session's, and an error.
 */
import { internalError } from '../errors/sql-error.ts';
import type { EvalContext, SequenceHooks } from '../functions/eval-context.ts';
import type { TimeZone } from '../types/time-zone.ts';

function noSession(): never {
  throw internalError('a statement without a session asked for one');
}

export const NO_SESSION: EvalContext = {
  get timeZone(): TimeZone {
    return noSession();
  },
  get extraFloatDigits(): number {
    return noSession();
  },
  get byteaOutput(): 'hex' {
    return noSession();
  },
  get statementMicros(): bigint {
    return noSession();
  },
  get transactionMicros(): bigint {
    return noSession();
  },
  get currentUser(): string {
    return noSession();
  },
  get sessionUser(): string {
    return noSession();
  },
  get database(): string {
    return noSession();
  },
  get currentSchema(): string {
    return noSession();
  },
  get backendPid(): number {
    return noSession();
  },
  get versionText(): string {
    return noSession();
  },
  get sequences(): SequenceHooks {
    return noSession();
  },
  clockMicros: noSession,
  random: noSession,
  randomBytes: noSession,
  setting: noSession,
  sleep: noSession,
};
