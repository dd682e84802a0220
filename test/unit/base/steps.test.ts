/** Generators that wait only where something does: values at once, promises otherwise, errors where they belong. */
import { describe, expect, it } from 'vitest';
import type { MaybePromise } from '../../../src/base/maybe-promise.ts';
import type { Steps } from '../../../src/base/steps.ts';
import { run, wait } from '../../../src/base/steps.ts';

function* sum(values: readonly MaybePromise<number>[]): Steps<number> {
  let total = 0;
  for (const value of values) total += yield* wait(value);
  return total;
}

describe('steps', () => {
  it('is a value when nothing waits', () => {
    expect(run(sum([1, 2, 3]))).toBe(6);
  });

  it('is a promise as soon as something does', async () => {
    const result = run(sum([1, Promise.resolve(2), 3, Promise.resolve(4)]));
    expect(result).toBeInstanceOf(Promise);
    expect(await result).toBe(10);
  });

  it('raises a rejection where it was waited for', async () => {
    function* careful(): Steps<string> {
      try {
        yield* wait(Promise.reject(new Error('lost')));
      } catch (error) {
        return `caught ${(error as Error).message}`;
      }
      return 'not reached';
    }
    expect(await run(careful())).toBe('caught lost');
    await expect(run(sum([Promise.reject(new Error('gone'))]))).rejects.toThrow('gone');
  });
});
