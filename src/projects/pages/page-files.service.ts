import { Injectable } from '@nestjs/common';
import { ImageFiles } from '../../stored-images/image-files.js';
import { Storage } from '../../storage/storage.js';

export const PAGES_FOLDER = 'pages/';

/** The image files of pages and covers. A missing file is `page_not_found`. */
@Injectable()
export class PageFilesService extends ImageFiles {
  constructor(storage: Storage) {
    super(storage, { folder: PAGES_FOLDER, notFound: 'page_not_found' });
  }
}
