import type { ListedChapter } from '../chapters/chapters.dto.js';
import type { Page } from '../pages/page.entity.js';

/** An entry that leads to another catalogue. */
export interface NavigationEntry {
  id: string;
  title: string;
  summary: string;
  updated: Date;
  /** Below the root of the catalogues, such as `/projects`. */
  path: string;
  /** Whether it leads to chapters. */
  hasChapters: boolean;
  /** The path of a small image. */
  thumbnail?: string | undefined;
}

/** A chapter with pages, and the format of the first of them. */
export type CatalogueChapter = ListedChapter & { coverFormat: Page['format'] | undefined };

/** A page of a catalogue for comic readers, in no particular format. */
export interface Catalogue {
  id: string;
  title: string;
  /** Below the root of the catalogues, with the query. */
  path: string;
  updated: Date;
  /** The path of the next page; undefined on the last one. */
  next?: string | undefined;
  navigation: NavigationEntry[];
  /** Undefined in a catalogue that leads to others. */
  chapters?: CatalogueChapter[];
}

/** The media type of what a comic reader downloads. */
export const CBZ_TYPE = 'application/vnd.comicbook+zip';

/** The path of the image of a page, from 0. */
export const pagePath = ({ id }: { id: string }, number: number | string): string =>
  `/api/opds/chapters/${id}/pages/${number}`;

/** The images of its cover, smallest first. The formats of OPDS are JPEG, PNG and GIF; an original may be another one. */
export function coverImages(chapter: CatalogueChapter): { path: string; type: string }[] {
  const { coverFormat: format } = chapter;
  const thumbnail = { path: `${pagePath(chapter, 0)}?width=256`, type: 'image/jpeg' };
  const isAllowed = format === 'jpeg' || format === 'png';
  return isAllowed ? [thumbnail, { path: pagePath(chapter, 0), type: `image/${format}` }] : [thumbnail];
}

/** The path of the download of a chapter. */
export const downloadPath = ({ id }: { id: string }): string => `/api/chapters/${id}/download.cbz`;
