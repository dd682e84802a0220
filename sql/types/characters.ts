/**
 * Lengths in characters (code points), and the text form of uuids: small helpers that input, output, casts and the
 * row codec share.
 */

/** The number of code points. */
export function characterCount(text: string): number {
  let count = text.length;
  for (let i = 0; i < text.length; i++) {
    if ((text.charCodeAt(i) & 0xfc00) === 0xdc00) count--;
  }
  return count;
}

/** The UTF-16 offset of the character with this 0-based index; the length of the text behind its end. */
export function offsetOfCharacter(text: string, index: number): number {
  let offset = 0;
  for (let rest = index; rest > 0 && offset < text.length; rest--) {
    offset += (text.charCodeAt(offset) & 0xfc00) === 0xd800 && offset + 1 < text.length ? 2 : 1;
  }
  return offset;
}

/** Pads with blanks to a length in characters, as character(n) is held. */
export function padCharacters(text: string, length: number): string {
  if (text.length >= length * 2) return text;
  const missing = length - characterCount(text);
  return missing > 0 ? text + ' '.repeat(missing) : text;
}

/** Sixteen bytes as a uuid is held: lower case with dashes. */
export function formatUuid(bytes: Buffer): string {
  const hex = bytes.toString('hex', 0, 16);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

/** The held form of a uuid as Postgres reads it: any case, braces, dashes between groups of four; else undefined. */
export function normalizeUuid(text: string): string | undefined {
  if (/^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/.test(text)) return text;
  const match = /^(\{?)((?:[0-9a-fA-F]{4}-?){7}[0-9a-fA-F]{4})(\}?)$/.exec(text);
  if (match?.[2] === undefined || (match[1] === '') !== (match[3] === '')) return undefined;
  return formatUuid(Buffer.from(match[2].replaceAll('-', ''), 'hex'));
}
