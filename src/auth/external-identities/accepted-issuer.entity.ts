import { Entity, PrimaryColumn } from 'typeorm';

/**
 * An issuer whose identities can sign in, as configured at the last start. The database needs it to tell whether an
 * administrator can sign in.
 */
@Entity('accepted_issuers')
export class AcceptedIssuer {
  @PrimaryColumn('text', { primaryKeyConstraintName: 'accepted_issuers_pkey' }) issuer: string;
}
