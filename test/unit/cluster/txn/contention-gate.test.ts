import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Outcome, Stay } from '../../../../cluster/txn/contention-gate.ts';
import { ContentionGate } from '../../../../cluster/txn/contention-gate.ts';
import { must } from '../../../../src/base/assert.ts';
import { Cancellation } from '../../../../src/base/cancellation.ts';
import { SimClock, SimProcess, SimWorld } from '../../../../src/sim/world.ts';

const WAIT_MS = 1000;
const INSIDE_MS = 250;

interface Guest {
  readonly name: number;
  readonly cancellation: Cancellation;
  readonly cameMs: number;
  enteredMs?: number;
  stay?: Stay;
}

class House {
  readonly world = new SimWorld(1);
  readonly env = new SimProcess(this.world, new SimClock(this.world, { skewMs: 0, rate: 1 })).env;
  readonly gate = new ContentionGate(this.env);
  readonly guests: Guest[] = [];
  /** In the order in which they were let in. */
  readonly entered: Guest[] = [];

  come(): Guest {
    const cancellation = new Cancellation();
    const guest: Guest = { name: this.guests.length, cancellation, cameMs: this.world.nowMs };
    this.guests.push(guest);
    const letIn = (stay: Stay): void => {
      guest.stay = stay;
      guest.enteredMs = this.world.nowMs;
      this.entered.push(guest);
    };
    const entering = this.gate.enter(cancellation);
    if (entering instanceof Promise) void entering.then(letIn);
    else letIn(entering);
    return guest;
  }

  /** All but as many as are inside find that they have lost, until so many may be inside. */
  async shrinkTo(limit: number): Promise<void> {
    for (let i = 0; i < 1000 && this.gate.limit > limit; i++) await this.pass('lost');
    expect(this.gate.limit).toBe(limit);
  }

  async pass(outcome: Outcome): Promise<void> {
    const guest = this.come();
    await this.world.run(0);
    must(guest.stay).end(outcome);
  }

  /** Two of which, where one at a time is let in, the second has to wait. */
  async passPair(outcome: Outcome): Promise<void> {
    const [first, second] = [this.come(), this.come()];
    must(first.stay).end(outcome);
    await this.world.run(0);
    must(second.stay).end(outcome);
  }
}

describe('the gate of contention', () => {
  it('lets fewer in while many lose, down to one, and more again when they get through', async () => {
    const house = new House();
    await house.shrinkTo(1);
    for (let i = 0; i < 64; i++) await house.pass('lost');
    expect(house.gate.limit).toBe(1);
    // More only if someone had to wait for it.
    for (let i = 0; i < 64; i++) await house.pass('committed');
    expect(house.gate.limit).toBe(1);
    for (let i = 0; i < 16; i++) await house.passPair('committed');
    expect(house.gate.limit).toBeGreaterThan(1);
  });

  it('stays as it is where some lose, and where they end without a word of others', async () => {
    const house = new House();
    for (let i = 0; i < 160; i++) await house.pass(i % 4 === 0 ? 'lost' : 'committed');
    expect(house.gate.limit).toBe(8);
    await house.shrinkTo(1);
    for (let i = 0; i < 80; i++) await house.passPair(i % 4 === 0 ? 'lost' : 'committed');
    for (let i = 0; i < 80; i++) await house.passPair('abandoned');
    expect(house.gate.limit).toBe(1);
  });

  it('keeps nobody out for long behind those who stay inside and do nothing', async () => {
    const house = new House();
    await house.shrinkTo(1);
    house.entered.length = 0;
    const [idle, next, last] = [house.come(), house.come(), house.come()];
    await house.world.run(INSIDE_MS - 1);
    expect(house.entered).toEqual([idle]);
    await house.world.run(1);
    expect(house.entered).toEqual([idle, next]);
    must(idle.stay).end('committed');
    await house.world.run(0);
    expect(house.entered).toEqual([idle, next]);
    must(next.stay).end('committed');
    await house.world.run(0);
    expect(house.entered).toEqual([idle, next, last]);
  });

  it('keeps nobody out for longer than a second', async () => {
    const house = new House();
    await house.shrinkTo(1);
    house.entered.length = 0;
    for (let i = 0; i < 10; i++) house.come();
    await house.world.run(WAIT_MS - 1);
    expect(house.entered.length).toBe(4);
    await house.world.run(1);
    expect(house.entered.length).toBe(10);
  });

  it('is passed at once by who is cancelled, and the others keep their places', async () => {
    const house = new House();
    await house.shrinkTo(1);
    house.entered.length = 0;
    const [inside, gone, next] = [house.come(), house.come(), house.come()];
    gone.cancellation.cancel();
    await house.world.run(0);
    expect(house.entered).toEqual([inside, gone]);
    must(gone.stay).end('abandoned');
    await house.world.run(0);
    expect(house.entered).toEqual([inside, gone]);
    must(inside.stay).end('committed');
    await house.world.run(0);
    expect(house.entered).toEqual([inside, gone, next]);
  });

  it('lets in by turn, never more than its limit but for who has waited long enough', async () => {
    const step = fc.oneof(
      { weight: 4, arbitrary: fc.constant({ kind: 'come' } as const) },
      {
        weight: 3,
        arbitrary: fc.record({
          kind: fc.constant('end' as const),
          which: fc.nat(30),
          outcome: fc.constantFrom<Outcome>('lost', 'lost', 'committed', 'abandoned'),
        }),
      },
      {
        weight: 1,
        arbitrary: fc.record({ kind: fc.constant('run' as const), ms: fc.nat(400) }),
      },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 150 }), async (steps) => {
        const house = new House();
        const ended = new Set<Guest>();
        let peak = house.gate.limit;
        for (const each of steps) {
          if (each.kind === 'come') house.come();
          else if (each.kind === 'run') await house.world.run(each.ms);
          else {
            const inside = house.entered.filter((guest) => !ended.has(guest));
            const guest = inside[each.which % Math.max(1, inside.length)];
            if (guest === undefined) continue;
            ended.add(guest);
            must(guest.stay).end(each.outcome);
          }
          await house.world.run(0);
          const now = house.world.nowMs;
          const waiting = house.guests.filter(({ stay }) => stay === undefined);
          for (const { cameMs } of waiting) expect(now - cameMs).toBeLessThan(WAIT_MS);
          // Nobody waits while there is room.
          const byTurn = house.entered.filter(
            (guest) =>
              !ended.has(guest) &&
              now - must(guest.enteredMs) < INSIDE_MS &&
              must(guest.enteredMs) - guest.cameMs < WAIT_MS,
          );
          const inside = house.entered.filter(
            (guest) => !ended.has(guest) && now - must(guest.enteredMs) < INSIDE_MS,
          );
          if (waiting.length > 0) expect(inside.length).toBeGreaterThanOrEqual(house.gate.limit);
          peak = Math.max(peak, house.gate.limit);
          expect(byTurn.length).toBeLessThanOrEqual(peak);
          const names = house.entered.map(({ name }) => name);
          expect(names).toEqual([...names].sort((a, b) => a - b));
        }
      }),
      { numRuns: 200 },
    );
  });
});
