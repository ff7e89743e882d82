/** An `@` at the start or after a character that no address or username ends with, and the longest name after it. */
const MENTION = /(?<![\p{L}\p{N}._@-])@([A-Za-z0-9._-]{3,40})(?![\p{L}\p{N}])/gu;
const MAX_NAMES = 100;
/** Usernames have 3 to 30 characters. */
const isName = ({ length }: string): boolean => length >= 3 && length <= 30;

/**
 * The names that a text mentions, in lower case. A name may end with the punctuation of its sentence, so "@ren.ito." gives both
 * `ren.ito.` and `ren.ito`. At most 100 names.
 */
export function mentionsIn(text: string): string[] {
  if (!text.includes('@')) return [];
  const names = new Set<string>();
  for (const [, match] of text.matchAll(MENTION)) {
    let name = match!.toLowerCase();
    names.add(name);
    while (/[._-]$/.test(name)) names.add((name = name.slice(0, -1)));
    if (names.size >= MAX_NAMES) break;
  }
  return [...names].filter(isName).slice(0, MAX_NAMES);
}
