import { Injectable } from '@nestjs/common';
import { ImageFiles } from '../../stored-images/image-files.js';
import { Storage } from '../../storage/storage.js';

export const ATTACHMENTS_FOLDER = 'attachments/';

/** The image files of attachments. A missing file is `attachment_not_found`. */
@Injectable()
export class AttachmentFilesService extends ImageFiles {
  constructor(storage: Storage) {
    super(storage, { folder: ATTACHMENTS_FOLDER, notFound: 'attachment_not_found' });
  }
}
