import { describe, expect, it } from 'vitest';
import { Cancellation, cancellationOf } from '../../../src/base/cancellation.ts';

describe('cancellation', () => {
  it('tells those who listen, once', () => {
    const cancellation = new Cancellation();
    const told: string[] = [];
    const gone = (): void => void told.push('gone');
    cancellation.onCancel(() => told.push('a'));
    cancellation.onCancel(gone);
    cancellation.offCancel(gone);
    expect(cancellation.isCancelled).toBe(false);
    cancellation.cancel();
    cancellation.cancel();
    expect(cancellation.isCancelled).toBe(true);
    expect(told).toEqual(['a']);
  });

  it('of a signal is the same each time, and follows it', () => {
    const controller = new AbortController();
    const cancellation = cancellationOf(controller.signal);
    expect(cancellationOf(controller.signal)).toBe(cancellation);
    controller.abort();
    expect(cancellation.isCancelled).toBe(true);
    expect(cancellationOf(AbortSignal.abort()).isCancelled).toBe(true);
  });
});
