/** Randomness of the operating system; `next` and `int` need not be strong. */
import { randomBytes } from 'node:crypto';
import type { Random } from '../env.ts';

export const nodeRandom: Random = {
  next: () => Math.random(),
  int: (min, max) => min + Math.floor(Math.random() * (max - min + 1)),
  bytes: (count) => randomBytes(count),
};
