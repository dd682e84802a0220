/**
 * MD5 (RFC 1321), for the SQL function of that name: a checksum that users compare with other systems', not used for
 * anything that has to be secure. Synchronous, without node:crypto, so that SQL stays free of it.
 */

const SHIFTS = [7, 12, 17, 22, 5, 9, 14, 20, 4, 11, 16, 23, 6, 10, 15, 21] as const;
const SINES = Array.from({ length: 64 }, (_unused, i) =>
  Math.floor(Math.abs(Math.sin(i + 1)) * 4294967296),
);

export function md5Hex(message: Uint8Array): string {
  const padded = Buffer.alloc(((message.length + 8) >>> 6) * 64 + 64);
  padded.set(message);
  padded[message.length] = 0x80;
  padded.writeBigUInt64LE(BigInt(message.length) * 8n, padded.length - 8);
  const state: [number, number, number, number] = [0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476];
  for (let offset = 0; offset < padded.length; offset += 64) mixBlock(state, padded, offset);
  const out = Buffer.alloc(16);
  state.forEach((word, i) => out.writeInt32LE(word | 0, i * 4));
  return out.toString('hex');
}

function mixBlock(state: [number, number, number, number], bytes: Buffer, offset: number): void {
  let [a, b, c, d] = state;
  for (let i = 0; i < 64; i++) {
    let mixed: number;
    let word: number;
    if (i < 16) {
      mixed = (b & c) | (~b & d);
      word = i;
    } else if (i < 32) {
      mixed = (d & b) | (~d & c);
      word = (5 * i + 1) % 16;
    } else if (i < 48) {
      mixed = b ^ c ^ d;
      word = (3 * i + 5) % 16;
    } else {
      mixed = c ^ (b | ~d);
      word = (7 * i) % 16;
    }
    const sum = (a + mixed + (SINES[i] ?? 0) + bytes.readInt32LE(offset + word * 4)) | 0;
    const shift = SHIFTS[(i >> 4) * 4 + (i % 4)] ?? 0;
    [a, d, c] = [d, c, b];
    b = (b + ((sum << shift) | (sum >>> (32 - shift)))) | 0;
  }
  state[0] = (state[0] + a) | 0;
  state[1] = (state[1] + b) | 0;
  state[2] = (state[2] + c) | 0;
  state[3] = (state[3] + d) | 0;
}
