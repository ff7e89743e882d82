import { Column, Entity, Index, JoinColumn, ManyToOne, PrimaryColumn, Unique } from 'typeorm';
import { User } from '../../users/user.entity.js';

/** A token with which a feed reader or a comic reader reads as a user, without a session. */
@Entity('feed_tokens')
@Unique('feed_tokens_token_hash_key', ['token_hash'])
@Index('feed_tokens_user_id_idx', ['user_id'])
export class FeedToken {
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'feed_tokens_pkey' }) id: string;
  @Column('uuid') user_id: string;
  /** Where it is used, as the user has named it. */
  @Column('text') name: string;
  /** SHA-256. The token has 256 random bits, so a slow hash would add nothing. */
  @Column('bytea', { select: false }) token_hash: Buffer;
  @Column('timestamptz') created_at: Date;

  @ManyToOne(() => User, { onDelete: 'CASCADE' })
  @JoinColumn({ name: 'user_id', foreignKeyConstraintName: 'feed_tokens_user_id_fkey' })
  user: User;
}
