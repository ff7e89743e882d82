import { causeMessage } from '../../common/cause-message.js';
import type { Config } from '../../config/config.js';
import { probeStorage } from '../../storage/storage-probe.service.js';
import { openStorage } from '../../storage/storage.module.js';
import { type Check, error, ok } from './check.js';

/** Writes, reads and deletes an object. */
export async function examineStorage(config: Config): Promise<Check[]> {
  const { STORAGE, STORAGE_DIR, S3_BUCKET } = config;
  const place = STORAGE === 'local' ? `the folder ${STORAGE_DIR}` : `the bucket ${S3_BUCKET}`;
  try {
    await probeStorage(await openStorage(config));
    return [ok('storage', `${place}: an object was written, read and deleted`)];
  } catch (failure) {
    const remedy =
      STORAGE === 'local'
        ? 'Make the folder writable for the user of Machi, and the disk mounted and not full.'
        : 'Check S3_ENDPOINT, S3_BUCKET, the keys, and that they may get, put, delete and list.';
    return [error('storage', `${place}: ${causeMessage(failure)}`, remedy)];
  }
}
