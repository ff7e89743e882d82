/**
 * ICAO Doc 9303, part 3, section 6, tables A and B: the letters whose transliteration is not their base letter. The last line
 * is the spelling that passports of Bangladesh use.
 */
const SPELLINGS =
  'Ä=AE Å=AA Æ=AE Ö=OE Ø=OE Œ=OE Ü=UE ẞ=SS Þ=TH Ŋ=N Ð=D Đ=D ' +
  'Ё=E Й=I Х=KH Ц=TS Щ=SHCH Ъ=IE Ь= Э=E Ю=IU Я=IA ' +
  'চ=CH ছ=CHH ফ=F শ=SH ষ=SH';
const LETTERS = new Map(SPELLINGS.split(' ').map((pair) => pair.split('=') as [letter: string, spelling: string]));

/** A Bengali consonant that no vowel sign, virama or nukta follows, within a word: it is spoken with the vowel "a". */
const INHERENT_VOWEL = /([\u0995-\u09b9\u09ce\u09dc-\u09df\u09f0\u09f1]\u09bc?)(?=[\p{L}])(?!\u09bc)/gu;

/**
 * A name as in the machine-readable zone of a passport: the letters A to Z, with `<` between words. ICAO has no table for
 * Bengali and many other scripts; those are transliterated by the sound of their letters. The tables of all scripts, 0.5 MB, are
 * loaded for the first name.
 */
export async function toMachineReadable(name: string): Promise<string> {
  const { default: anyAscii } = await import('any-ascii');
  const composed = name.normalize('NFC').toUpperCase().replaceAll(INHERENT_VOWEL, '$1\u0985');
  const letters = composed.replaceAll(/[^\p{L}\p{M}\s-]/gu, '');
  const latin = [...letters].map((character) => LETTERS.get(character) ?? anyAscii(character)).join('');
  return latin
    .toUpperCase()
    .replaceAll(/[^A-Z\s-]/g, '')
    .trim()
    .replaceAll(/[\s-]+/g, '<')
    .slice(0, 80);
}

/** The last word of a name as family name and the words before it as given names, as passports of Bangladesh print it. */
export function splitName(name: string): { family: string; given: string } {
  const words = name.trim().split(/\s+/);
  return { family: words.at(-1)!, given: words.slice(0, -1).join(' ') };
}
