import { Injectable, type OnModuleInit } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { Readable } from 'node:stream';
import { Repository } from 'typeorm';
import { SIZES } from '../images/image-jobs.js';
import { PersonalDataRegistryService } from '../personal-data/personal-data-registry.service.js';
import type { DataSubject, ExportPart } from '../personal-data/personal-data.js';
import { AvatarFilesService } from './avatar-files.service.js';
import { Avatar, LIVE_STATES } from './avatar.entity.js';

const LARGEST = Math.max(...SIZES) as (typeof SIZES)[number];

/** The avatars of a user, with the files of those that have some. */
@Injectable()
export class AvatarsPersonalDataService implements OnModuleInit {
  constructor(
    @InjectRepository(Avatar) private readonly avatars: Repository<Avatar>,
    private readonly registry: PersonalDataRegistryService,
    private readonly files: AvatarFilesService,
  ) {}

  onModuleInit(): void {
    this.registry.register({
      module: 'avatars',
      tables: {
        avatars: { columns: { user_id: 'deleted', decided_by: 'kept' }, file: 'avatars.json' },
        rejected_images: { columns: { id: 'kept' }, file: null },
      },
      export: (subject) => this.export(subject),
    });
  }

  private async *export({ id: user_id }: DataSubject): AsyncGenerator<ExportPart> {
    const rows = await this.avatars.find({ where: { user_id }, order: { id: 'ASC' } });
    const json = rows.map(({ hash, ...row }) => ({
      ...row,
      user_id: undefined,
      decided_by: undefined,
      perceptual_hash: hash,
    }));
    yield { name: 'avatars/avatars.json', json };
    for (const { id, state } of rows) {
      if (!(LIVE_STATES as readonly string[]).includes(state)) continue;
      const bytes = await this.files.find(id, LARGEST);
      if (bytes) yield { name: `avatars/${id}.webp`, file: Readable.from([bytes], { objectMode: false }) };
    }
  }
}
