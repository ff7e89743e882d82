const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:';
const VALUES = new Map([...ALPHABET].map((character, value) => [character, value]));

/** Base45 (RFC 9285): the form in which bytes fill a QR code best. */
export function encodeBase45(bytes: Uint8Array): string {
  let text = '';
  for (let i = 0; i < bytes.length; i += 2) {
    const isPair = i + 1 < bytes.length;
    let value = isPair ? bytes[i]! * 256 + bytes[i + 1]! : bytes[i]!;
    for (let digit = 0; digit < (isPair ? 3 : 2); digit++) {
      text += ALPHABET[value % 45];
      value = Math.floor(value / 45);
    }
  }
  return text;
}

/** Returns undefined for what is not Base45. The npm packages read it as other bytes. */
export function decodeBase45(text: string): Buffer | undefined {
  const bytes: number[] = [];
  if (text.length % 3 === 1) return undefined;
  for (let i = 0; i < text.length; i += 3) {
    const digits = Array.from(text.slice(i, i + 3), (character) => VALUES.get(character) ?? NaN);
    const value = digits.reduceRight((sum, digit) => sum * 45 + digit, 0);
    const isPair = digits.length === 3;
    if (!(value < (isPair ? 65_536 : 256))) return undefined; // also NaN
    if (isPair) bytes.push(value >> 8);
    bytes.push(value & 255);
  }
  return Buffer.from(bytes);
}
