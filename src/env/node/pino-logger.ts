/** Structured logs by pino, to a file or standard error. Asynchronous: flushed when the process ends in order. */
import pino from 'pino';
import type { LogFields, Logger } from '../env.ts';

export function pinoLogger(file: string | undefined, fields: LogFields): Logger {
  const destination = pino.destination({ dest: file ?? 2, sync: file === undefined, mkdir: true });
  const base = pino({ base: { ...fields }, level: 'info' }, destination);
  return wrap(base);
}

function wrap(base: pino.Logger): Logger {
  return {
    debug: (fields, event) => base.debug(fields, event),
    info: (fields, event) => base.info(fields, event),
    warn: (fields, event) => base.warn(fields, event),
    error: (fields, event) => base.error(fields, event),
    child: (fields) => wrap(base.child(fields)),
  };
}
