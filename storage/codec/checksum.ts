/** CRC-32 (polynomial 0xedb88320), four bytes at a time. */
export const POLYNOMIAL = 0xedb88320;
const TABLES = makeTables();

function makeTables(): readonly Uint32Array[] {
  const tables = Array.from({ length: 4 }, () => new Uint32Array(256));
  for (let i = 0; i < 256; i++) {
    let crc = i;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ POLYNOMIAL : crc >>> 1;
    const [first] = tables;
    if (first !== undefined) first[i] = crc >>> 0;
  }
  for (let t = 1; t < 4; t++) {
    const table = tables[t];
    const before = tables[t - 1];
    const base = tables[0];
    if (table === undefined || before === undefined || base === undefined) continue;
    for (let i = 0; i < 256; i++) {
      const crc = before[i] ?? 0;
      table[i] = ((crc >>> 8) ^ (base[crc & 255] ?? 0)) >>> 0;
    }
  }
  return tables;
}

const [T0, T1, T2, T3] = TABLES as [Uint32Array, Uint32Array, Uint32Array, Uint32Array];

/** The checksum of `bytes[start, end)`; `seed` chains checksums or binds them to something else. */
export function crc32(bytes: Uint8Array, start: number, end: number, seed = 0): number {
  let crc = ~seed;
  let i = start;
  const wordsEnd = end - 3;
  while (i < wordsEnd) {
    crc ^=
      (bytes[i] ?? 0) |
      ((bytes[i + 1] ?? 0) << 8) |
      ((bytes[i + 2] ?? 0) << 16) |
      ((bytes[i + 3] ?? 0) << 24);
    crc =
      (T3[crc & 255] ?? 0) ^
      (T2[(crc >>> 8) & 255] ?? 0) ^
      (T1[(crc >>> 16) & 255] ?? 0) ^
      (T0[crc >>> 24] ?? 0);
    i += 4;
  }
  for (; i < end; i++) crc = (crc >>> 8) ^ (T0[(crc ^ (bytes[i] ?? 0)) & 255] ?? 0);
  return ~crc >>> 0;
}
