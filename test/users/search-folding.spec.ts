import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PASSWORD, startApp, type TestApp } from '../support/app.js';
import { SearchFolding1797006000000 } from '../../migrations/1797006000000-search-folding.js';

let t: TestApp;
beforeAll(async () => {
  t = await startApp();
});
afterAll(() => t.stop());

let counter = 0;
const register = async (fullname: string): Promise<string> => {
  const body = { username: `folded-${++counter}`, password: PASSWORD, fullname };
  return (await t.request('POST', '/api/users', { body })).body['username'];
};
const search = async (q: string): Promise<string[]> => {
  const path = `/api/users?q=${encodeURIComponent(q)}` as const;
  const { body } = await t.request('GET', path, { token: await t.asAdmin() });
  return (body['items'] as { username: string }[]).map(({ username }) => username);
};

describe('GET /api/users finds', () => {
  it.each([
    ['the final sigma', 'ΟΔΥΣΣΕΥΣ', 'οδυσσευς'],
    ['Greek accents', 'Ὀδυσσεύς Παπαδόπουλος', 'ΟΔΥΣΣΕΥΣ παπαδοπουλοσ'],
    ['the iota below a Greek letter', 'ᾠδή', 'ΩΙΔΗ'],
    ['the sharp s', 'Jörg Weiß', 'JORG WEISS'],
    ['the capital sharp s', 'STRAẞE', 'strasse'],
    ['ligatures', 'Soﬁa Oﬃce', 'sofia office'],
    ['full-width letters', 'Ｈａｎａ', 'hana'],
    ['half-width kana', 'ﾊﾅ ｶﾞﾜ', 'ハナ ガワ'],
    ['decomposed kana', 'か\u3099わ', 'がわ'],
    ['zero-width characters', 'Mar\u200bia\u2060na', 'mariana'],
    ['the zero-width non-joiner', 'می\u200cخواهم', 'میخواهم'],
    ['soft hyphens', 'Hum\u00adboldt', 'humboldt'],
    ['harakat', 'مُحَمَّد', 'محمد'],
    ['tatweel', 'محـــمود', 'محمود'],
    ['Hebrew points', 'שָׁלוֹם', 'שלום'],
    ['stacked accents', 'Nguyễn', 'nguyen'],
    ['the dotless and the dotted i', 'Işık İnan', 'isik inan'],
    ['letters with strokes', 'Łukasz Øre Đorđe', 'lukasz ore dorde'],
    ['Cyrillic', 'СЕРГЕЙ Ёлкин', 'сергей елкин'],
    ['variation selectors', 'Star \u2764\ufe0f', 'star \u2764'],
  ])('%s, whichever form is stored or typed', async (_, one, other) => {
    const [first, second] = [await register(one), await register(other)];
    for (const q of [one, other]) expect([q, await search(q)]).toEqual([q, expect.arrayContaining([first, second])]);
  });

  it('no kana that differ in their voicing marks, and no Thai or Devanagari words without their vowels', async () => {
    await register('カキ');
    await register('กา');
    await register('कु');
    for (const q of ['ガキ', 'กี', 'कि']) expect(await search(q)).toEqual([]);
  });

  it('% and _ also in their full-width forms as literal characters', async () => {
    const username = await register('100％ ＿wool');
    expect(await search('0% _w')).toEqual([username]);
    expect(await search('1%ool')).toEqual([]);
  });
});

it('the migration re-indexes the rows that are there, and its reverse restores the old index', async () => {
  const username = await register('ΤΗΛΕΜΑΧΟΣ');
  const runner = t.dataSource.createQueryRunner();
  const migration = new SearchFolding1797006000000();
  // As the index sees it: a stale one would answer from the old form.
  const indexed = async (q: string): Promise<string[]> => {
    await runner.query('set enable_seqscan = off');
    const rows = await runner.query(
      `select username from users where fold_text(username || ' ' || fullname) like '%' || fold_text($1) || '%'`,
      [q],
    );
    return (rows as { username: string }[]).map((row) => row.username);
  };
  try {
    await migration.down(runner);
    expect(await indexed('τηλεμαχος')).toEqual([]);
    await migration.up(runner);
    expect(await indexed('τηλεμαχος')).toEqual([username]);
  } finally {
    await runner.release();
  }
});
