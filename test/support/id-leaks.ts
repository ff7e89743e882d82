import pg from 'pg';
import type { TestApp } from './app.js';

const BENGALI = '০১২৩৪৫৬৭৮৯';

/** The number in Bengali digits. */
export const inBengali = (number: string): string => number.replace(/\d/g, (digit) => BENGALI[Number(digit)]!);

/** The characters that do not depend on what stands before and after the number, for each position within three bytes. */
const inBase64 = (number: string): string[] =>
  [0, 1, 2].map((offset) => {
    const text = Buffer.from(' '.repeat(offset) + number).toString('base64');
    const [start, end] = [Math.ceil((offset * 4) / 3), Math.floor(((offset + number.length) * 4) / 3)];
    return text.slice(start, end);
  });

const toUrl = (text: string): string => text.replaceAll('+', '-').replaceAll('/', '_');

/** A number as it may stand in a text: as digits, in Bengali, in both forms of base64, as hexadecimal bytes, and in a URL. */
export function spellingsOf(number: string): string[] {
  const bengali = inBengali(number);
  const base64 = [number, bengali].flatMap(inBase64);
  const hex = [number, bengali].map((each) => Buffer.from(each).toString('hex'));
  const all = [
    number,
    number.toLowerCase(),
    bengali,
    encodeURIComponent(bengali),
    ...base64,
    ...base64.map(toUrl),
    ...hex,
  ];
  return [...new Set([...all, ...hex.map((each) => each.toUpperCase())])];
}

/** Those of the numbers that a text contains in any spelling, also with separators in it. */
export function findNumbers(numbers: string[], text: string): string[] {
  const texts = [text, text.replaceAll(/[\s._\p{Pd}\p{Cf}]/gu, '')];
  return numbers.filter((number) => spellingsOf(number).some((each) => texts.some((one) => one.includes(each))));
}

/** Every row of every table as text; columns of bytes are hexadecimal. */
export async function dumpRows({ connection }: TestApp): Promise<string> {
  const client = new pg.Client(connection);
  await client.connect();
  const { rows: tables } = await client.query<{ name: string }>(
    `select quote_ident(table_name) as name from information_schema.tables where table_schema = 'public'`,
  );
  const texts: string[] = [];
  for (const { name } of tables) {
    const { rows } = await client.query<{ row: string }>(`select t::text as row from ${name} t`);
    texts.push(...rows.map(({ row }) => `${name} ${row}`));
  }
  await client.end();
  return texts.join('\n');
}
