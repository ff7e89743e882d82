import type { ListedChapter } from './chapters.dto.js';

/** The name of a chapter without that of its project, such as "Vol. 2 Chapter 3.10: The Lighthouse". */
export function nameOf({ volume, number, title }: Pick<ListedChapter, 'volume' | 'number' | 'title'>): string {
  const place = [volume === null ? [] : [`Vol. ${volume}`], number === null ? [] : [`Chapter ${number}`]]
    .flat()
    .join(' ');
  return [place, title].filter(Boolean).join(': ') || 'One-shot';
}

/** The name of a chapter with that of its project. */
export const fullNameOf = (chapter: ListedChapter): string => `${chapter.project_title} – ${nameOf(chapter)}`;
