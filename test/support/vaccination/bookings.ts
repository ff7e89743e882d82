import { randomBytes } from 'node:crypto';
import { v7 as uuidv7 } from 'uuid';
import type { SignedInUser, TestApp } from '../app.js';

/** A registered person in the database, verified unless `fields` say something else. */
export async function insertPerson(
  { dataSource }: Pick<TestApp, 'dataSource'>,
  user: Pick<SignedInUser, 'id'>,
  { status = 'verified', date_of_birth = '1990-05-17', place = 0 } = {},
): Promise<string> {
  const id = uuidv7();
  await dataSource.query(
    `insert into vaccination_registrations (id, user_id, place, legal_name, date_of_birth, id_type, id_number, id_hash,
      id_last4, phone, status, created_at, updated_at)
    values ($1, $2, $3, 'Test Person', $4, 'PASSPORT', $5, $5, '0000', '+8801700000000', $6, now(), now())`,
    [id, user.id, place, date_of_birth, randomBytes(16), status],
  );
  return id;
}
