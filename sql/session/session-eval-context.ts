/**
 * What functions may ask of the session: clocks, names, settings, sequences. One object per statement, made when it
 * begins (or begun anew); what costs something to find is found when it is asked for.
 */
import type { Steps } from '../../src/base/steps.ts';
import { wait } from '../../src/base/steps.ts';
import { EvaluationWait, evaluationRecord } from '../exec/evaluation-wait.ts';
import type { EvalContext, SequenceHooks } from '../functions/eval-context.ts';
import type { FormatContext } from '../types/format-context.ts';
import type { TimeZone } from '../types/time-zone.ts';
import type { SessionContext } from './session-context.ts';
import type { SessionEnv } from './session-env.ts';
import { wallMicros } from './session-env.ts';
import { SERVER_VERSION } from './setting-definitions.ts';

/** Longer is as good as for ever, and more than a timer takes. */
const SLEEP_MAX_MS = 2 ** 31 - 1;

export const VERSION_TEXT =
  `PostgreSQL ${SERVER_VERSION.split(' ')[0] ?? ''} (Quorate 0.1) on node, ` +
  'strictly serializable, 64-bit';

export class SessionEvalContext implements EvalContext {
  readonly timeZone: TimeZone;
  readonly extraFloatDigits: number;
  readonly byteaOutput: 'hex' | 'escape';
  readonly versionText = VERSION_TEXT;
  readonly #ctx: SessionContext;
  readonly #env: SessionEnv;
  #statementMicros: bigint | undefined;
  #hasSlept = false;

  constructor(ctx: SessionContext) {
    const format: FormatContext = ctx.settings.config.format;
    this.timeZone = format.timeZone;
    this.extraFloatDigits = format.extraFloatDigits;
    this.byteaOutput = format.byteaOutput;
    this.#ctx = ctx;
    this.#env = ctx.shared.env;
  }

  /** The next statement begins, where one context serves several. */
  beginStatement(): void {
    this.#statementMicros = undefined;
    this.#hasSlept = false;
  }

  get statementMicros(): bigint {
    this.#statementMicros ??= wallMicros(this.#env);
    return this.#statementMicros;
  }

  get transactionMicros(): bigint {
    return this.#ctx.block?.startMicros ?? this.statementMicros;
  }

  clockMicros(): bigint {
    return wallMicros(this.#env);
  }

  random(): number {
    return this.#env.random.next();
  }

  randomBytes(count: number): Uint8Array {
    return this.#env.random.bytes(count);
  }

  get currentUser(): string {
    return this.#ctx.options.user;
  }

  get sessionUser(): string {
    return this.#ctx.options.user;
  }

  get database(): string {
    return this.#ctx.options.database;
  }

  get currentSchema(): string {
    return this.#ctx.settings.config.searchPath.find((name) => name !== this.currentUser) ?? '';
  }

  get backendPid(): number {
    return this.#ctx.options.processId;
  }

  setting(name: string): string | undefined {
    return this.#ctx.settings.get(name);
  }

  get sequences(): SequenceHooks {
    return this.#ctx.sequences;
  }

  sleep(seconds: number): void {
    const record = evaluationRecord();
    if (record?.replay('sleep') !== undefined) return;
    if (!this.#hasSlept) throw new EvaluationWait(() => this.#sleep(seconds));
    this.#hasSlept = false;
    record?.add('sleep', 0n);
  }

  *#sleep(seconds: number): Steps<void> {
    const { signal } = this.#ctx;
    const delayMs = Math.min(Math.max(seconds * 1000, 0), SLEEP_MAX_MS);
    yield* wait(
      new Promise<void>((resolve, reject) => {
        const onAbort = (): void => {
          timer.cancel();
          reject(signal.reason as Error);
        };
        const timer = this.#env.scheduler.after(delayMs, () => {
          signal.removeEventListener('abort', onAbort);
          resolve();
        });
        signal.addEventListener('abort', onAbort, { once: true });
      }),
    );
    this.#hasSlept = true;
  }
}
