import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Folds searched names completely: compatibility forms, all cases, accents, invisible characters. Rebuilds the index. */
export class SearchFolding1797006000000 implements MigrationInterface {
  name = 'SearchFolding1797006000000';

  async up(runner: QueryRunner): Promise<void> {
    await replaceFolding(runner, FOLD_COMPLETELY);
  }

  async down(runner: QueryRunner): Promise<void> {
    await replaceFolding(runner, FOLD_CASE_AND_ACCENTS);
  }
}

async function replaceFolding(runner: QueryRunner, definition: string): Promise<void> {
  await runner.query('drop index users_search_idx');
  await runner.query(definition);
  await runner.query(
    `create index users_search_idx on users using gin (fold_text(username || ' ' || fullname) gin_trgm_ops)`,
  );
}

/**
 * What is removed after NFKD: accents of Latin, Greek and Cyrillic, Hebrew points, Arabic harakat and tatweel, and
 * characters without a width. Vowel signs of other scripts and the voicing marks of kana stay: they are letters.
 */
const IGNORED = [
  '\\u00ad\\u0300-\\u036f\\u0483-\\u0489\\u0591-\\u05bd\\u05bf\\u05c1\\u05c2\\u05c4\\u05c5\\u05c7',
  '\\u0610-\\u061a\\u061c\\u0640\\u064b-\\u065f\\u0670\\u06d6-\\u06dc\\u06df-\\u06e4\\u06e7\\u06e8\\u06ea-\\u06ed',
  '\\u08d3-\\u08ff\\u1160\\u180b-\\u180f\\u1ab0-\\u1aff\\u1dc0-\\u1dff\\u200b-\\u200f\\u202a-\\u202e\\u2060-\\u206f',
  '\\u20d0-\\u20ff\\ufe00-\\ufe0f\\ufe20-\\ufe2f\\ufeff\\U000e0000-\\U000e0fff',
].join('');

/**
 * Text of ASCII only needs nothing but lower case; its length in bytes is its length in characters. The iota that Greek
 * writes below a letter folds to a letter (U+0345); the final sigma and the sharp s have no lower case that equals theirs.
 */
const FOLD_COMPLETELY = `create or replace function fold_text(text) returns text language sql immutable strict parallel safe
  return case when octet_length($1) = length($1) then lower($1)
    else normalize(replace(replace(lower(unaccent('unaccent'::regdictionary,
      regexp_replace(replace(normalize($1, nfkd), U&'\\0345', U&'\\03b9'), '[${IGNORED}]', '', 'g')
    )), U&'\\03c2', U&'\\03c3'), U&'\\00df', 'ss'), nfc) end`;

const FOLD_CASE_AND_ACCENTS = `create or replace function fold_text(text) returns text language sql immutable strict parallel safe
  return lower(unaccent('unaccent'::regdictionary, $1))`;
