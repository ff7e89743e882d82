import { Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import type { Request } from 'express';
import { type EntityManager, Repository } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import { AuditService } from '../audit/audit.service.js';
import { Clock } from '../common/clock.provider.js';
import { readForm, takingForm } from '../http/form-body.js';
import { Problem, validationFailed } from '../http/problem.js';
import { mapToProblem } from '../http/problem-mapping.js';
import { validationPipe } from '../http/validation.js';
import { Config } from '../config/config.js';
import { UPLOAD_QUOTA } from '../rate-limit/quotas.js';
import { QuotasService } from '../rate-limit/quotas.service.js';
import { actorOf, type Caller } from '../users/caller.js';
import type { Profile } from '../users/profile.js';
import { UpdateMeDto } from '../users/users.dto.js';
import { UsersService } from '../users/users.service.js';
import { Avatar } from './avatar.entity.js';
import { AvatarFilesService } from './avatar-files.service.js';
import type { ProcessedImage } from './image-format.js';
import { ImageProcessingService } from './image-processing.service.js';
import { UploadGateService } from './upload-gate.service.js';

/** How many of the 128 digits may differ in what counts as the same picture: rescaling and re-encoding change up to 6. */
const LIKENESS = 10;
const RESEMBLES = `select exists (
  select from rejected_images where bit_count(hash::bit(128) # $1::bit(128)) <= ${LIKENESS}) as resembles`;

/** Serialises all that happens to one user's avatars: the order of locks is user, then avatars. */
const LOCK_USER = 'select id from users where id = $1 for no key update';

/** Everybody sees the upload $2, or one waiting in the queue that they have seen so far, or else the approved one. */
const SHOW = `update users u set avatar_id = (
  select a.id from avatars a where a.user_id = u.id
    and (a.state = 'approved' or (a.state = 'pending' and a.id in ($2, u.avatar_id)))
  order by a.state = 'pending' desc limit 1) where u.id = $1`;

const LIVE = `state in ('pending', 'approved')`;

/** What a user's own avatars look like to them. */
export interface OwnAvatars {
  uploads: Avatar[];
  avatar_id: string | null;
  locked_until: Date | null;
}

@Injectable()
export class AvatarsService {
  constructor(
    @InjectRepository(Avatar) private readonly avatars: Repository<Avatar>,
    private readonly users: UsersService,
    private readonly pictures: ImageProcessingService,
    private readonly files: AvatarFilesService,
    private readonly gate: UploadGateService,
    private readonly quotas: QuotasService,
    private readonly audit: AuditService,
    private readonly config: Config,
    private readonly clock: Clock,
  ) {}

  /** Takes the one file of the form as the caller's new avatar: in the queue, or seen by all, as moderation has it. */
  async upload(caller: Caller, request: Request): Promise<{ avatar: Avatar; isShown: boolean }> {
    return this.taking(caller, request, async () => {
      await this.assertUnlocked(this.avatars.manager, caller);
      const { file, fields } = await readForm(request);
      if (!file) throw new Problem('no_file');
      const unknown = Object.keys(fields).map((path) => ({ path, message: `property ${path} should not exist` }));
      if (unknown.length > 0) throw validationFailed(unknown);
      const picture = await this.pictureOf(caller, file);
      return this.keep(picture, (id) =>
        this.avatars.manager.transaction((manager) => this.insert(manager, caller, id, picture.hash)),
      );
    });
  }

  /** The anime site's call: fields of the profile and the file `avatar` in one form, of which all counts or nothing. */
  async updateProfile(caller: Caller, request: Request): Promise<Profile> {
    return this.taking(caller, request, async () => {
      const { file, fields } = await readForm(request);
      if (file && file.field !== 'avatar')
        throw new Problem('no_file', { detail: 'The file is to be named "avatar".' });
      const about = { type: 'body', metatype: UpdateMeDto } as const;
      const dto = (await validationPipe().transform({ ...fields }, about)) as UpdateMeDto;
      if (!file) return this.users.updateMe(caller, dto);
      await this.assertUnlocked(this.avatars.manager, caller);
      const picture = await this.pictureOf(caller, file);
      return this.keep(picture, (id) =>
        this.users.updateMe(caller, dto, (manager) => this.insert(manager, caller, id, picture.hash)),
      );
    });
  }

  /** The shown one, the waiting one and the last that was rejected, newest first. */
  async mine(caller: Caller): Promise<OwnAvatars> {
    const uploads = await this.avatars
      .createQueryBuilder('a')
      .where(`a.user_id = :id and (a.${LIVE} or a.id = (${LAST_REJECTED}))`, { id: caller.id })
      .orderBy('a.id', 'DESC')
      .getMany();
    const locked_until = await this.lockOf(this.avatars.manager, caller);
    return { uploads, avatar_id: caller.profile.avatar_id, locked_until };
  }

  /** Takes back what the caller has uploaded, shown or waiting. Having none is fine. */
  async remove(caller: Caller): Promise<void> {
    await this.avatars.manager.transaction(async (manager) => {
      await lockUser(manager, caller.id);
      const ids = await withdraw(manager, caller.id, this.clock.date());
      if (ids.length === 0) return;
      await show(manager, caller.id);
      const details = { avatar_ids: ids };
      await this.audit.write(manager, { action: 'avatar.removed', ...actorOf(caller), subject_id: caller.id, details });
    });
  }

  private taking<T>(caller: Caller, request: Request, work: () => Promise<T>): Promise<T> {
    return takingForm(request, () => this.gate.pass(caller.id, work));
  }

  private async pictureOf(caller: Caller, { bytes }: { bytes: Buffer }): Promise<ProcessedImage> {
    await this.quotas.consume(UPLOAD_QUOTA, caller.id);
    return this.pictures.make(bytes);
  }

  /**
   * Bytes first, under an id of their own, then the row: whatever breaks off in between, no row points to nothing. When it
   * is not certain that there is no row, since the database went away, the bytes are left to the sweeper.
   */
  private async keep<T>(picture: ProcessedImage, record: (id: string) => Promise<T>): Promise<T> {
    const id = uuidv7();
    await this.files.put(id, picture);
    try {
      return await record(id);
    } catch (error) {
      if (mapToProblem(error).status < 500) await this.files.discard(id);
      throw error;
    }
  }

  private async insert(
    manager: EntityManager,
    caller: Caller,
    id: string,
    hash: string,
  ): Promise<{ avatar: Avatar; isShown: boolean }> {
    await lockUser(manager, caller.id);
    await this.assertUnlocked(manager, caller);
    const [{ resembles } = { resembles: false }] = await manager.query<{ resembles: boolean }[]>(RESEMBLES, [hash]);
    const mode = resembles ? 'pre' : this.config.AVATAR_MODERATION;
    const state = mode === 'off' ? 'approved' : 'pending';
    const now = this.clock.date();
    const replaced = await withdraw(manager, caller.id, now, state);
    const row = { id, user_id: caller.id, state, hash, resembles_rejected: resembles, created_at: now } as const;
    await manager.insert(Avatar, row);
    await show(manager, caller.id, mode === 'pre' ? undefined : id);
    const details = { avatar_id: id, state, replaced, resembles_rejected: resembles };
    await this.audit.write(manager, { action: 'avatar.uploaded', ...actorOf(caller), subject_id: caller.id, details });
    return { avatar: await manager.findOneByOrFail(Avatar, { id }), isShown: mode !== 'pre' };
  }

  private async assertUnlocked(manager: EntityManager, caller: Caller): Promise<void> {
    const locked_until = await this.lockOf(manager, caller);
    if (locked_until) throw new Problem('avatar_locked', { members: { locked_until } });
  }

  private async lockOf(manager: EntityManager, { id }: Caller): Promise<Date | null> {
    const last = 'select max(locked_until) as until from avatars where user_id = $1 and locked_until > $2';
    const [row] = await manager.query<{ until: Date | null }[]>(last, [id, this.clock.date()]);
    return row?.until ?? null;
  }
}

const LAST_REJECTED = `select r.id from avatars r where r.user_id = :id and r.state = 'rejected' order by r.id desc limit 1`;

/** Raises `user_not_found`: deleted meanwhile. */
export async function lockUser(manager: EntityManager, userId: string): Promise<void> {
  const rows = await manager.query<unknown[]>(LOCK_USER, [userId]);
  if (rows.length === 0) throw new Problem('user_not_found');
}

/** Decides anew which of a user's avatars everybody sees. */
export async function show(manager: EntityManager, userId: string, avatarId: string | null = null): Promise<void> {
  await manager.query(SHOW, [userId, avatarId]);
}

/** Withdraws the user's uploads that one of this state would replace, or all of them; answers their ids. */
export async function withdraw(
  manager: EntityManager,
  userId: string,
  now: Date,
  state: 'pending' | 'approved' = 'approved',
): Promise<string[]> {
  const [rows] = await manager.query<[{ id: string }[], number]>(
    `update avatars set state = 'withdrawn', decided_at = $2
     where user_id = $1 and ${LIVE} and (state = 'pending' or $3 = 'approved') returning id`,
    [userId, now, state],
  );
  return rows.map(({ id }) => id);
}
