import { Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { type EntityManager, In, Repository } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import type { UpdateMeDto } from '../account/account.dto.js';
import { ProfileService } from '../account/profile.service.js';
import { AuditService } from '../audit/audit.service.js';
import { Clock } from '../common/clock.provider.js';
import { Config } from '../config/config.js';
import { Problem } from '../http/problems/problem.js';
import { mapToProblem } from '../http/problems/problem-mapping.js';
import { ImageProcessingService } from '../images/image-processing.service.js';
import { actorOf, type Caller } from '../users/caller.js';
import type { Profile } from '../users/profile.js';
import { UsersService } from '../users/users.service.js';
import { Avatar, LIVE_STATES } from './avatar.entity.js';
import { AvatarFilesService } from './avatar-files.service.js';
import { UserAvatarsService } from './user-avatars.service.js';

/**
 * Images whose perceptual hashes differ in at most this many of 128 bits count as the same image. Rescaling and
 * re-encoding change up to 6 bits.
 */
const MAX_HASH_DISTANCE = 10;

/** PostgreSQL counts the differing bits; no index helps, so the whole table is compared. */
const CHECK_UPLOAD = `select
  (select max(locked_until) from avatars where user_id = $1 and locked_until > $2) as locked_until,
  exists (select from rejected_images where bit_count(hash::bit(128) # $3::bit(128)) <= ${MAX_HASH_DISTANCE}) as resembles`;
const INSERT = `insert into avatars (id, user_id, state, hash, resembles_rejected, created_at)
  values ($1, $2, $3, $4, $5, $6)`;

/** The columns that moderators set. */
const UNDECIDED = { decided_at: null, decided_by: null, reason: null, locked_until: null };

/** What users see of their own avatars. */
export interface OwnAvatars {
  /** The shown one, the pending one and the last rejected one, where they exist. */
  avatars: Avatar[];
  avatar_id: string | null;
  locked_until: Date | null;
}

/** An image whose files are stored, and that has no row yet. */
interface StoredImage {
  id: string;
  hash: string;
}

/** A new avatar, and whether everyone sees it at once. */
export interface UploadedAvatar {
  avatar: Avatar;
  isShown: boolean;
}

/**
 * What users do with their own avatars. Files are stored first, under a new id, then the row is inserted: no row ever
 * points to missing files.
 */
@Injectable()
export class AvatarsService {
  constructor(
    @InjectRepository(Avatar) private readonly avatars: Repository<Avatar>,
    private readonly users: UsersService,
    private readonly profiles: ProfileService,
    private readonly userAvatars: UserAvatarsService,
    private readonly images: ImageProcessingService,
    private readonly files: AvatarFilesService,
    private readonly audit: AuditService,
    private readonly config: Config,
    private readonly clock: Clock,
  ) {}

  /**
   * Makes an uploaded file the caller's new avatar: pending or shown, by `AVATAR_MODERATION`. Throws `avatar_locked`,
   * `storage_unavailable` and the problems of the image.
   */
  async create(caller: Caller, file: Buffer[]): Promise<UploadedAvatar> {
    const image = await this.storeImage(caller, file);
    try {
      return await this.avatars.manager.transaction((manager) => this.insert(manager, caller, image));
    } catch (error) {
      await this.discardImage(image, error);
      throw error;
    }
  }

  /** Changes the caller's profile and avatar in one transaction. Throws what `create` and the profile throw. */
  async updateProfile(caller: Caller, dto: UpdateMeDto, file: Buffer[]): Promise<Profile> {
    const image = await this.storeImage(caller, file);
    try {
      const credential = await this.profiles.verify(caller, dto);
      await this.avatars.manager.transaction(async (manager) => {
        await this.profiles.updateWithin(manager, caller, dto, credential);
        await this.insert(manager, caller, image);
      });
    } catch (error) {
      await this.discardImage(image, error);
      throw error;
    }
    return this.users.get(caller.id);
  }

  /** The caller's shown, pending and last rejected avatars. */
  async listOwn(caller: Caller): Promise<OwnAvatars> {
    const live = await this.avatars.findBy({ user_id: caller.id, state: In(LIVE_STATES) });
    const lastRejected = await this.avatars.find({
      where: { user_id: caller.id, state: 'rejected' },
      order: { id: 'DESC' },
      take: 1,
    });
    const locked_until = await this.userAvatars.findLockedUntil(this.avatars.manager, caller.id);
    return { avatars: [...live, ...lastRejected], avatar_id: caller.profile.avatar_id, locked_until };
  }

  /** Withdraws the caller's shown and pending avatars. Does nothing when there are none. */
  async remove(caller: Caller): Promise<void> {
    await this.avatars.manager.transaction(async (manager) => {
      await this.userAvatars.lock(manager, caller.id);
      const avatar_ids = await this.userAvatars.withdraw(manager, caller.id, LIVE_STATES);
      if (avatar_ids.length === 0) return;
      await this.userAvatars.updateShown(manager, caller.id);
      await this.audit.write(manager, {
        action: 'avatar.removed',
        ...actorOf(caller),
        subject_id: caller.id,
        details: { avatar_ids },
      });
    });
  }

  private async storeImage(caller: Caller, file: Buffer[]): Promise<StoredImage> {
    assertUnlocked(await this.userAvatars.findLockedUntil(this.avatars.manager, caller.id));
    const { files, hash } = await this.images.make('square', file, await this.files.findTarget());
    const id = uuidv7();
    await this.files.create(id, files);
    return { id, hash };
  }

  /** After a failure of the server the row may exist all the same: the files stay, the worker deletes orphans. */
  private async discardImage({ id }: StoredImage, error: unknown): Promise<void> {
    if (mapToProblem(error).getStatus() < 500) await this.files.discard(id);
  }

  private async insert(manager: EntityManager, caller: Caller, { id, hash }: StoredImage): Promise<UploadedAvatar> {
    await this.userAvatars.lock(manager, caller.id);
    const resembles_rejected = await this.checkUpload(manager, caller, hash);
    const mode = resembles_rejected ? 'pre' : this.config.AVATAR_MODERATION;
    const isShown = mode !== 'pre';
    const state = mode === 'off' ? 'approved' : 'pending';
    const replaced = await this.userAvatars.withdraw(
      manager,
      caller.id,
      state === 'approved' ? LIVE_STATES : ['pending'],
    );
    const fields = { id, user_id: caller.id, state, hash, resembles_rejected, created_at: this.clock.date() } as const;
    await manager.query(INSERT, Object.values(fields)); // the columns are in the same order
    const avatar = manager.create(Avatar, { ...UNDECIDED, ...fields });
    if (isShown) await this.users.setAvatarId(manager, caller.id, id);
    else await this.userAvatars.updateShown(manager, caller.id);
    await this.audit.write(manager, {
      action: 'avatar.uploaded',
      ...actorOf(caller),
      subject_id: caller.id,
      details: { avatar_id: id, state, replaced, resembles_rejected },
    });
    return { avatar, isShown };
  }

  /** Whether the image resembles a rejected one. Throws `avatar_locked`. */
  private async checkUpload(manager: EntityManager, { id }: Caller, hash: string): Promise<boolean> {
    const [row] = await manager.query<{ locked_until: Date | null; resembles: boolean }[]>(CHECK_UPLOAD, [
      id,
      this.clock.date(),
      hash,
    ]);
    assertUnlocked(row!.locked_until);
    return row!.resembles;
  }
}

/** Throws `avatar_locked`. */
function assertUnlocked(locked_until: Date | null): void {
  if (locked_until) throw new Problem('avatar_locked', { members: { locked_until } });
}
