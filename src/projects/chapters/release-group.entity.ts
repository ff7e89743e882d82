import { Column, Entity, Index, PrimaryColumn, Unique } from 'typeorm';

/** A group of people that releases chapters, such as translators. Not a group of users with permissions. */
@Entity('release_groups')
@Index('release_groups_search_idx', { synchronize: false }) // trigrams of folded names
@Unique('release_groups_name_key', ['name'])
export class ReleaseGroup {
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'release_groups_pkey' }) id: string;
  /** Unique without regard to case. */
  @Column('citext') name: string;
  @Column('text', { nullable: true }) website: string | null;
  @Column('timestamptz') created_at: Date;
  @Column('timestamptz') updated_at: Date;
}
