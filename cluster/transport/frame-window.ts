/**
 * Which frames of a peer have come before: calls are to be handled at most once, and a network may bring a frame twice
 * (TCP does not, the simulated one does). Frames are numbered by their sender, which draws an epoch when its process
 * starts; which of two epochs is the later one cannot be told, since a frame of a process that has died may come after
 * those of its successor. So each has a window of its own. Bounded: what lies `WINDOW` frames behind the newest of its
 * epoch counts as seen, and of more than `EPOCHS` the one that was first heard of is forgotten.
 */
const WINDOW = 1024;
const EPOCHS = 8;

interface Epoch {
  readonly epoch: number;
  newest: number;
  /** By number modulo its size: the last number that was seen there. */
  readonly seen: Float64Array;
}

export class FrameWindow {
  readonly #epochs: Epoch[] = [];
  #last: Epoch | undefined;

  /** True the first time; `seq` counts from 1. */
  isNew(epoch: number, seq: number): boolean {
    let of = this.#last;
    if (of?.epoch !== epoch) {
      of = this.#epochs.find((known) => known.epoch === epoch) ?? this.#begin(epoch);
      this.#last = of;
    }
    if (seq <= of.newest - WINDOW || of.seen[seq % WINDOW] === seq) return false;
    of.seen[seq % WINDOW] = seq;
    if (seq > of.newest) of.newest = seq;
    return true;
  }

  #begin(epoch: number): Epoch {
    const begun = { epoch, newest: 0, seen: new Float64Array(WINDOW) };
    if (this.#epochs.push(begun) > EPOCHS) this.#epochs.shift();
    return begun;
  }
}
