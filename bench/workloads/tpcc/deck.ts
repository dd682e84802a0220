/**
 * Which transaction comes next: cards of a shuffled deck (clause 5.2.4.2), so that every terminal keeps the mix over
 * 23 transactions: ten New-Orders, ten Payments, one of each of the others. A card is taken off when its transaction is
 * done: one that failed comes again.
 */
import type { Random } from '../../workload.ts';

export const KINDS = ['neworder', 'payment', 'orderstatus', 'delivery', 'stocklevel'] as const;
export type Kind = (typeof KINDS)[number];

const CARDS: readonly Kind[] = [
  ...new Array<Kind>(10).fill('neworder'),
  ...new Array<Kind>(10).fill('payment'),
  'orderstatus',
  'delivery',
  'stocklevel',
];

export class Deck {
  readonly #random: Random;
  #cards: Kind[] = [];

  constructor(random: Random) {
    this.#random = random;
  }

  /** The card on top; a used-up deck is shuffled anew. */
  top(): Kind {
    if (this.#cards.length === 0) this.#shuffle();
    const card = this.#cards.at(-1);
    if (card === undefined) throw new Error('tpcc: an empty deck');
    return card;
  }

  take(): void {
    this.#cards.pop();
  }

  #shuffle(): void {
    this.#cards = [...CARDS];
    for (let i = this.#cards.length - 1; i > 0; i--) {
      const other = this.#random.between(0, i);
      const held = this.#cards[i] as Kind;
      this.#cards[i] = this.#cards[other] as Kind;
      this.#cards[other] = held;
    }
  }
}
