import { Problem } from '../../../http/problems/problem.js';
import type { ProblemCode } from '../../../http/problems/problem-catalogue.js';
import { isFileName } from '../files/file-names.js';

/** The codes of problems with one entry of an archive. */
export type EntryProblemCode = Extract<ProblemCode, `archive_entry_${string}`>;

/** A problem that names the entry. */
export const entryProblem = (code: EntryProblemCode, name: string, cause?: unknown): Problem =>
  new Problem(code, { members: { entry: name.toWellFormed().slice(0, 255) }, cause });

const CHECKS: [EntryProblemCode, RegExp][] = [
  ['archive_entry_nul', /\0/],
  ['archive_entry_backslash', /\\/],
  ['archive_entry_drive', /^[a-z]:/i],
  ['archive_entry_absolute', /^\//],
  ['archive_entry_parent', /(?:^|\/)\.\.(?:\/|$)/],
];

/** The name of an entry without `./` and double slashes. Throws the problem of a name that is not a path in the archive. */
export function readEntryName(name: string): string {
  const found = CHECKS.find(([, pattern]) => pattern.test(name));
  if (found) throw entryProblem(found[0], name);
  const segments = name.split('/').filter((segment) => segment !== '' && segment !== '.');
  const clean = segments.join('/');
  const isRoot = clean === '' && name.endsWith('/');
  if (!isRoot && !isFileName(clean)) throw entryProblem('archive_entry_name', name);
  return clean;
}

/** Files that systems and comic tools add to archives. They are no pages. */
const NO_PAGE =
  /(?:^|\/)(?:__MACOSX\/|\.|thumbs\.db$|desktop\.ini$)|\.(?:xml|txt|nfo|json|md|url|html?|sfv|md5|log|opf|acbf)$/i;

export const isNoPage = (name: string): boolean => NO_PAGE.test(name);

const ARCHIVE_NAME = /\.(?:zip|cb[zrt7a]|rar|7z|tar|t?gz|bz2|xz|zst|jar|apk|epub)$/i;
const ARCHIVE_MAGIC = [
  'PK\x03\x04',
  'PK\x05\x06',
  'Rar!\x1a\x07',
  '7z\xbc\xaf\x27\x1c',
  '\x1f\x8b',
  'BZh',
  '\xfd7zXZ\0',
];

export const isArchiveName = (name: string): boolean => ARCHIVE_NAME.test(name);

/** Whether these first bytes are those of an archive or a compressed file. */
export const isArchive = (first: Buffer): boolean =>
  ARCHIVE_MAGIC.some((magic) => first.toString('latin1', 0, magic.length) === magic) ||
  first.toString('latin1', 257, 262) === 'ustar';
