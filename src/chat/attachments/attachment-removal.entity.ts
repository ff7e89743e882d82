import { Entity, PrimaryColumn } from 'typeorm';

/** An attachment whose files must be deleted. A trigger adds it when its row is deleted. */
@Entity('attachment_removals')
export class AttachmentRemoval {
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'attachment_removals_pkey' }) attachment_id: string;
}
