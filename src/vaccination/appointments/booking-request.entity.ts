import { Column, Entity, Index, PrimaryColumn } from 'typeorm';

/**
 * A request with an `Idempotency-Key` that booked a place. It is kept for a day, so that the same request gets the same
 * answer. A refused request is not kept: it changed nothing.
 */
@Entity('vaccination_booking_requests')
@Index('vaccination_booking_requests_created_at_idx', ['created_at'])
export class BookingRequest {
  /** The hash of the user's id and the key that the client sent. */
  @PrimaryColumn('bytea', { primaryKeyConstraintName: 'vaccination_booking_requests_pkey' }) key: Buffer;
  /** The hash of the body. */
  @Column('bytea') hash: Buffer;
  @Column('uuid') appointment_id: string;
  @Column('timestamptz') created_at: Date;
}
