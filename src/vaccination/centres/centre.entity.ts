import { Check, Column, Entity, Index, PrimaryColumn, Unique } from 'typeorm';

export const CENTRE_STATUSES = ['active', 'closed'] as const;
export type CentreStatus = (typeof CENTRE_STATUSES)[number];

/** A place where people are vaccinated. */
@Entity('vaccination_centres')
@Unique('vaccination_centres_code_key', ['code'])
@Check('vaccination_centres_code_check', `code ~ '^[A-Za-z0-9._-]{1,40}$'`)
@Check('vaccination_centres_status_check', `status in ('active', 'closed')`)
@Check('vaccination_centres_latitude_check', `latitude between -90 and 90`)
@Check('vaccination_centres_longitude_check', `longitude between -180 and 180`)
@Index('vaccination_centres_district_idx', ['district'])
export class Centre {
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'vaccination_centres_pkey' }) id: string;
  /** Unique without regard to case. */
  @Column('citext') code: string;
  @Column('text') name: string;
  @Column('text') address: string;
  /** Compared without regard to case. */
  @Column('citext') district: string;
  /** In degrees, WGS 84. */
  @Column('double precision') latitude: number;
  @Column('double precision') longitude: number;
  /** IANA name. Days, ages and intervals are counted in it. */
  @Column('text') time_zone: string;
  @Column('text') status: CentreStatus;
  @Column('timestamptz') created_at: Date;
  @Column('timestamptz') updated_at: Date;
}
