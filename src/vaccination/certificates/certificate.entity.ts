import { Column, Entity, Index, JoinColumn, ManyToOne, PrimaryColumn, Unique } from 'typeorm';
import { Dose } from '../doses/dose.entity.js';

/** The certificate of a dose. One valid certificate per dose. */
@Entity('vaccination_certificates')
@Unique('vaccination_certificates_uvci_key', ['uvci'])
@Index('vaccination_certificates_valid_key', ['dose_id'], { unique: true, where: `revoked_at is null` })
export class Certificate {
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'vaccination_certificates_pkey' }) id: string;
  @Column('uuid') dose_id: string;
  /** The unique vaccination certificate identifier, with its check character. */
  @Column('text') uvci: string;
  @Column('timestamptz') issued_at: Date;
  @Column('timestamptz') expires_at: Date;
  @Column('timestamptz', { nullable: true }) revoked_at: Date | null;

  @ManyToOne(() => Dose)
  @JoinColumn({ name: 'dose_id', foreignKeyConstraintName: 'vaccination_certificates_dose_id_fkey' })
  dose: Dose;
}
