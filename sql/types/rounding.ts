/** Rounding of floats as C's rint does it, which is what Postgres uses. */

/** As C's rint: ties go to the even neighbour. */
export function roundHalfEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest < 0.5) return floor;
  const rounded = rest > 0.5 || floor % 2 !== 0 ? floor + 1 : floor;
  // The sign of a zero is kept: -0.3 rounds to -0.
  return rounded === 0 && value < 0 ? -0 : rounded;
}
