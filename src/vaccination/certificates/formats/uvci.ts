import { randomBytes } from 'node:crypto';

/** The characters that the check character is computed over, and taken from. */
const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/:';

/**
 * A new unique vaccination certificate identifier (eHealth Network, "Interoperability of health certificates: trust
 * framework", annex 2): version 01, country, 128 random bits, and a check character.
 */
export function createUvci(country: string): string {
  const identifier = `URN:UVCI:01:${country}:${randomBytes(16).toString('hex').toUpperCase()}`;
  return `${identifier}#${checkCharacterOf(identifier)}`;
}

/** Whether a text is an identifier whose check character is right. It finds errors of typing, not forgeries. */
export function isUvci(text: string): boolean {
  const [, identifier, check] = /^(URN:UVCI:01:[A-Z]{2}:[A-Z0-9/:]{1,50})#([A-Z0-9/:])$/.exec(text) ?? [];
  return identifier !== undefined && checkCharacterOf(identifier) === check;
}

/** The check character of the algorithm Luhn mod N (ISO/IEC 7812-1, annex B, for an alphabet of N characters). */
function checkCharacterOf(identifier: string): string {
  const size = ALPHABET.length;
  let sum = 0;
  [...identifier].toReversed().forEach((character, index) => {
    const product = ALPHABET.indexOf(character) * (index % 2 === 0 ? 2 : 1);
    sum += Math.floor(product / size) + (product % size);
  });
  return ALPHABET[(size - (sum % size)) % size]!;
}
