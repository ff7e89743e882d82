import { Entity, PrimaryColumn } from 'typeorm';

/** An avatar whose files must be deleted. A trigger adds it when the avatar leaves the live states or its row is deleted. */
@Entity('avatar_removals')
export class AvatarRemoval {
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'avatar_removals_pkey' }) avatar_id: string;
}
