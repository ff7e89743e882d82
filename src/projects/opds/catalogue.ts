import type { ListedChapter } from '../chapters/chapters.dto.js';

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
}

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
  chapters?: ListedChapter[];
}

/** The media type of what a comic reader downloads. */
export const CBZ_TYPE = 'application/vnd.comicbook+zip';

/** The path of the download of a chapter. */
export const downloadPath = ({ id }: { id: string }): string => `/api/chapters/${id}/download.cbz`;
