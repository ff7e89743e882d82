import { Check, Column, Entity, JoinColumn, ManyToOne, PrimaryColumn, Unique } from 'typeorm';
import { Upload } from '../upload.entity.js';

/** A file of an upload. Its bytes are in the storage until the upload ends. */
@Entity('upload_files')
@Unique('upload_files_name_key', ['upload_id', 'name_key'])
// Checked at the end of a statement, so that one statement can exchange positions.
@Unique('upload_files_position_key', ['upload_id', 'position'], { deferrable: 'INITIALLY IMMEDIATE' })
@Check('upload_files_size_check', `size > 0`)
export class UploadFile {
  /** UUID v7, made by the application. Part of the key in the storage. */
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'upload_files_pkey' }) id: string;
  @Column('uuid') upload_id: string;
  /** As uploaded; with its path for a page of an archive. */
  @Column('text') name: string;
  /** The same for names that differ in case only. */
  @Column({ type: 'text', collation: 'C' }) name_key: string;
  /** Its place among the pages. May leave gaps. */
  @Column('integer') position: number;
  /** In bytes. */
  @Column('integer') size: number;
  /** SHA-256 in hexadecimal digits: a file that is sent again is recognised. */
  @Column('text') sha256: string;
  @Column('timestamptz') created_at: Date;
  /** The page that has been made of it. */
  @Column('uuid', { nullable: true }) page_id: string | null;

  @ManyToOne(() => Upload, { onDelete: 'CASCADE' })
  @JoinColumn({ name: 'upload_id', foreignKeyConstraintName: 'upload_files_upload_id_fkey' })
  upload: Upload;
}
