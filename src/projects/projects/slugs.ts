import { validate as isUuid } from 'uuid';

const MAX_SLUG = 100;
const SLUG = /^[a-z0-9]+(?:-[a-z0-9]+)*$/;

/** Whether a text can be a slug. A slug is never a UUID, because both name a project in a path. */
export const isSlug = (text: string): boolean => text.length <= MAX_SLUG && SLUG.test(text) && !isUuid(text);

/** A slug made of a title: its Latin letters and digits; undefined if it has none. */
export function slugOf(title: string): string | undefined {
  const words = title
    .normalize('NFKD')
    .replaceAll(/[\p{M}'’]/gu, '')
    .toLowerCase()
    .split(/[^a-z0-9]+/)
    .filter(Boolean);
  const slug = words.join('-').slice(0, 80).replace(/-$/, '');
  return isSlug(slug) ? slug : undefined;
}
