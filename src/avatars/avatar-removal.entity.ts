import { Entity, PrimaryColumn } from 'typeorm';

/** An avatar whose files are to be deleted: the database adds it when a row has no more use for them, or goes. */
@Entity('avatar_removals')
export class AvatarRemoval {
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'avatar_removals_pkey' }) avatar_id: string;
}
