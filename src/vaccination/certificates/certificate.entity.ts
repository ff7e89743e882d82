import { Column, Entity, Index, JoinColumn, ManyToOne, PrimaryColumn, Unique } from 'typeorm';
import { Dose } from '../doses/dose.entity.js';

/** The certificate of a dose, as it was signed. One valid certificate per dose. */
@Entity('vaccination_certificates')
@Unique('vaccination_certificates_uvci_key', ['uvci'])
@Unique('vaccination_certificates_rid_key', ['rid'])
@Index('vaccination_certificates_valid_key', ['dose_id'], { unique: true, where: `revoked_at is null` })
@Index('vaccination_certificates_dose_id_idx', ['dose_id'])
@Index('vaccination_certificates_revoked_idx', ['shc_kid', 'id'], { where: `revoked_at is not null` })
export class Certificate {
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'vaccination_certificates_pkey' }) id: string;
  @Column('uuid') dose_id: string;
  /** The unique vaccination certificate identifier, with its check character. */
  @Column('text') uvci: string;
  /** Names the SMART Health Card in its revocation list. */
  @Column('text') rid: string;
  /** The texts of the QR codes: EU Digital COVID Certificate, and SMART Health Card. */
  @Column('text') hcert: string;
  @Column('text') shc: string;
  /** The key that signed, as each form names it. */
  @Column('text') hcert_kid: string;
  @Column('text') shc_kid: string;
  @Column('timestamptz') issued_at: Date;
  @Column('timestamptz') expires_at: Date;
  @Column('timestamptz', { nullable: true }) revoked_at: Date | null;

  @ManyToOne(() => Dose)
  @JoinColumn({ name: 'dose_id', foreignKeyConstraintName: 'vaccination_certificates_dose_id_fkey' })
  dose: Dose;
}
