/**
 * Which frames of a peer have come before: calls are to be handled at most once, and a network may bring a frame twice
 * (TCP does not, the simulated one does). Frames are numbered by their sender, which draws an epoch when its process
 * starts. Bounded: what lies `WINDOW` frames behind the newest counts as seen, and so does what is of an earlier epoch.
 */
const WINDOW = 1024;
const PAST_EPOCHS = 8;

export class FrameWindow {
  #epoch = -1;
  #newest = 0;
  /** By number modulo its size: the last number that was seen there. */
  readonly #seen = new Float64Array(WINDOW);
  #past: number[] = [];

  /** True the first time; `seq` counts from 1. */
  isNew(epoch: number, seq: number): boolean {
    if (epoch !== this.#epoch && !this.#begin(epoch)) return false;
    if (seq <= this.#newest - WINDOW || this.#seen[seq % WINDOW] === seq) return false;
    this.#seen[seq % WINDOW] = seq;
    if (seq > this.#newest) this.#newest = seq;
    return true;
  }

  #begin(epoch: number): boolean {
    if (this.#past.includes(epoch)) return false;
    this.#past = [...this.#past, this.#epoch].slice(-PAST_EPOCHS);
    this.#epoch = epoch;
    this.#newest = 0;
    this.#seen.fill(0);
    return true;
  }
}
