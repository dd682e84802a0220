/**
 * TPC-C's random values: clauses 2.1.5 and 2.1.6 (non-uniform numbers), 4.3.2 (strings, names, zip codes). Numbers of
 * money come as text with two digits behind the point, since that is how they are sent.
 */
import type { Random } from '../../workload.ts';

/** The run-time constants of NURand, fixed so that runs compare; |C_LAST - C_LAST_LOADED| is 86: 65 to 119, not 96 or 112. */
const C_LAST_LOADED = 173;
const C_LAST = 87;
const C_CUSTOMER = 259;
const C_ITEM = 7911;

const SYLLABLES = ['BAR', 'OUGHT', 'ABLE', 'PRI', 'PRES', 'ESE', 'ANTI', 'CALLY', 'ATION', 'EING'];
const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const LAST_NAMES = 1000;

/** Clause 2.1.6: hits some values more often than others. `a` is 255, 1023 or 8191 by the column. */
function nonUniform(
  random: Random,
  spread: { readonly a: number; readonly c: number },
  min: number,
  max: number,
): number {
  const { a, c } = spread;
  const mixed = random.between(0, a) | random.between(min, max);
  return ((mixed + c) % (max - min + 1)) + min;
}

export function drawCustomer(random: Random, customers: number): number {
  return nonUniform(random, { a: 1023, c: C_CUSTOMER }, 1, customers);
}

export function drawItem(random: Random, items: number): number {
  return nonUniform(random, { a: 8191, c: C_ITEM }, 1, items);
}

/** Of the names that customers of a district have: all thousand when there are that many customers. */
export function drawLastName(random: Random, customers: number): string {
  const names = Math.min(LAST_NAMES, customers);
  return lastName(nonUniform(random, { a: 255, c: C_LAST }, 0, names - 1));
}

/** Clause 4.3.3.1: the first thousand customers go through all names, the others are drawn. */
export function loadedLastName(random: Random, customer: number): string {
  if (customer <= LAST_NAMES) return lastName(customer - 1);
  return lastName(nonUniform(random, { a: 255, c: C_LAST_LOADED }, 0, LAST_NAMES - 1));
}

/** Clause 4.3.2.3: three syllables, one per decimal digit. */
export function lastName(number: number): string {
  const digits = [Math.floor(number / 100), Math.floor(number / 10) % 10, number % 10];
  return digits.map((digit) => SYLLABLES[digit] ?? '').join('');
}

/** Letters; a random length between both. */
export function drawText(random: Random, min: number, max: number): string {
  let text = '';
  for (let length = random.between(min, max); length > 0; length--) {
    text += LETTERS.charAt(random.between(0, LETTERS.length - 1));
  }
  return text;
}

export function drawDigits(random: Random, length: number): string {
  let text = '';
  for (let i = 0; i < length; i++) text += String(random.between(0, 9));
  return text;
}

export function drawZip(random: Random): string {
  return `${drawDigits(random, 4)}11111`;
}

/** Clause 4.3.3.1: a tenth of them hold `ORIGINAL` somewhere. */
export function drawData(random: Random): string {
  const text = drawText(random, 26, 50);
  if (random.between(1, 10) > 1) return text;
  const at = random.between(0, text.length - 8);
  return `${text.slice(0, at)}ORIGINAL${text.slice(at + 8)}`;
}

/** Uniform, `min` to `max` hundredths, as text: `12.34`. */
export function drawHundredths(random: Random, min: number, max: number): string {
  return hundredths(random.between(min, max));
}

export function hundredths(amount: number): string {
  return (amount / 100).toFixed(2);
}

/** 1 to `count` in random order. */
export function drawPermutation(random: Random, count: number): number[] {
  const numbers = Array.from({ length: count }, (_, i) => i + 1);
  for (let i = count - 1; i > 0; i--) {
    const other = random.between(0, i);
    const held = numbers[i] ?? 0;
    numbers[i] = numbers[other] ?? 0;
    numbers[other] = held;
  }
  return numbers;
}
