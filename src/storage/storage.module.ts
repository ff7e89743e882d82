import { Module } from '@nestjs/common';
import { Config } from '../config/config.js';
import { FileDeletionsService } from './file-deletions.service.js';
import { LocalStorage } from './local-storage.js';
import { StorageProbeService } from './storage-probe.service.js';
import { Storage } from './storage.js';

/** The driver named by `STORAGE`. The S3 driver is imported only when used, since it loads the AWS SDK. */
export async function openStorage(config: Config): Promise<Storage> {
  if (config.STORAGE === 'local') return new LocalStorage(config.STORAGE_DIR);
  const { S3Storage } = await import('./s3-storage.js');
  return new S3Storage(config);
}

/** File storage: a local folder or an S3 bucket. */
@Module({
  providers: [
    { provide: Storage, inject: [Config], useFactory: openStorage },
    StorageProbeService,
    FileDeletionsService,
  ],
  exports: [Storage, StorageProbeService, FileDeletionsService],
})
export class StorageModule {}
