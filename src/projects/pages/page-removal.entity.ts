import { Entity, PrimaryColumn } from 'typeorm';

/** A page whose files must be deleted. A trigger adds it when its row is deleted. */
@Entity('page_removals')
export class PageRemoval {
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'page_removals_pkey' }) page_id: string;
}
