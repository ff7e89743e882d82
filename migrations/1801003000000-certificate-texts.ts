import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Stores certificates as they were signed, with the names of the key and of the card in revocation lists. */
export class CertificateTexts1801003000000 implements MigrationInterface {
  name = 'CertificateTexts1801003000000';

  async up(runner: QueryRunner): Promise<void> {
    for (const statement of UP) await runner.query(statement);
  }

  async down(runner: QueryRunner): Promise<void> {
    for (const statement of DOWN) await runner.query(statement);
  }
}

// No earlier version wrote rows.
const UP = [
  `alter table vaccination_certificates
    add column rid text not null,
    add column hcert text not null,
    add column shc text not null,
    add column hcert_kid text not null,
    add column shc_kid text not null,
    add constraint vaccination_certificates_rid_key unique (rid)`,
  `create index vaccination_certificates_revoked_idx on vaccination_certificates (shc_kid, id) where revoked_at is not null`,
];

const DOWN = [
  `drop index vaccination_certificates_revoked_idx`,
  `alter table vaccination_certificates
    drop column shc_kid, drop column hcert_kid, drop column shc, drop column hcert, drop column rid`,
];
