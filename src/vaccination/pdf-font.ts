import { create, type Font } from 'fontkit';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';

/** Bengali and Latin. */
const FILES = {
  regular: '@expo-google-fonts/noto-sans-bengali/400Regular/NotoSansBengali_400Regular.ttf',
  bold: '@expo-google-fonts/noto-sans-bengali/700Bold/NotoSansBengali_700Bold.ttf',
} as const;

const { resolve } = createRequire(import.meta.url);
const fonts = new Map<keyof typeof FILES, Promise<Font>>();

/**
 * A font for PDFKit, which embeds the glyphs that a document uses. HarfBuzz chooses and places the glyphs: fontkit, which
 * PDFKit has for that, writes some Bengali words wrong (a second reph in "নির্মাতা", for example). Loaded with the first PDF.
 */
export function loadPdfFont(name: keyof typeof FILES): Promise<Font> {
  const loading = fonts.get(name) ?? load(resolve(FILES[name]));
  fonts.set(name, loading);
  loading.catch(() => fonts.delete(name)); // the next PDF tries again
  return loading;
}

async function load(file: string): Promise<Font> {
  const [bytes, harfbuzz] = await Promise.all([readFile(file), import('harfbuzzjs')]);
  const font = create(bytes) as Font;
  const shaper = new harfbuzz.Font(new harfbuzz.Face(new harfbuzz.Blob(new Uint8Array(bytes).buffer)));
  const buffer = new harfbuzz.Buffer(); // one for all: the memory of others is freed late

  /** Shapes a text. Returns what PDFKit reads of a result of fontkit. */
  function layout(text: string) {
    buffer.reset();
    buffer.addText(text);
    buffer.guessSegmentProperties();
    harfbuzz.shape(shaper, buffer);
    const positions = buffer.getGlyphPositions();
    const glyphs = buffer.getGlyphInfos().map(({ codepoint: id, cluster }, index, all) => ({
      id,
      advanceWidth: font.getGlyph(id).advanceWidth,
      // The first glyph of a cluster stands for the characters of the cluster, for those who copy the text.
      codePoints: cluster === all[index - 1]?.cluster ? [] : codePointsOf(text, cluster, all),
    }));
    return { glyphs, positions, advanceWidth: positions.reduce((sum, { xAdvance }) => sum + xAdvance, 0) };
  }
  return Object.create(font, { layout: { value: layout } }) as Font;
}

/** The characters from one cluster to the next one. */
function codePointsOf(text: string, start: number, glyphs: { cluster: number }[]): number[] {
  const next = Math.min(text.length, ...glyphs.map(({ cluster }) => cluster).filter((cluster) => cluster > start));
  return Array.from(text.slice(start, next), (character) => character.codePointAt(0)!);
}
