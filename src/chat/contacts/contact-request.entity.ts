import { Check, Column, Entity, Index, JoinColumn, ManyToOne, PrimaryGeneratedColumn, Unique } from 'typeorm';
import { Participant } from '../connections/participant.entity.js';

/** A contact request that is neither accepted nor removed. One per pair; `first_id` is the smaller participant id. */
@Entity('contact_requests')
@Unique('contact_requests_pair_key', ['first_id', 'second_id'])
@Index('contact_requests_second_id_idx', ['second_id'])
@Check('contact_requests_order_check', 'first_id < second_id')
@Check('contact_requests_sender_check', 'sender_id = first_id or sender_id = second_id')
export class ContactRequest {
  @PrimaryGeneratedColumn('identity', {
    type: 'bigint',
    generatedIdentity: 'ALWAYS',
    primaryKeyConstraintName: 'contact_requests_pkey',
  })
  id: string;
  @Column('bigint') first_id: string;
  @Column('bigint') second_id: string;
  @Column('bigint') sender_id: string;
  @Column('timestamptz') created_at: Date;

  @ManyToOne(() => Participant, { onDelete: 'CASCADE' })
  @JoinColumn({ name: 'first_id', foreignKeyConstraintName: 'contact_requests_first_id_fkey' })
  first: Participant;

  @ManyToOne(() => Participant, { onDelete: 'CASCADE' })
  @JoinColumn({ name: 'second_id', foreignKeyConstraintName: 'contact_requests_second_id_fkey' })
  second: Participant;
}
