import { Check, Column, Entity, PrimaryColumn } from 'typeorm';

/** Perceptual hash of a rejected image. It outlives the files, the avatar and its owner. */
@Entity('rejected_images')
@Check('rejected_images_hash_check', `hash ~ '^[01]{128}$'`)
export class RejectedImage {
  /** The id of the avatar that was rejected. */
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'rejected_images_pkey' }) id: string;
  @Column('text') hash: string;
  @Column('timestamptz') created_at: Date;
}
