/**
 * What a range is: a half-open span, a generation that counts its splits and merges (not replica changes), and who
 * holds its replicas. Of two descriptors of a key the one of the higher generation is newer.
 */
import type { NodeId, RangeId } from '../../src/base/ids.ts';
import type { Span } from '../../src/base/span.ts';

export interface RangeDescriptor extends Span {
  readonly rangeId: RangeId;
  readonly generation: number;
  readonly replicas: readonly NodeId[];
}
