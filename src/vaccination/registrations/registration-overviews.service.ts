import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { DataSource } from 'typeorm';

/** A registration with the newest dose, its certificate and the booked appointment. */
export interface RegistrationOverview {
  id: string;
  is_verified: boolean;
  created_at: Date;
  /** Of the newest dose; null before the first one. */
  vaccine_id: string | null;
  given_at: Date | null;
  certificate_id: string | null;
  /** When the session of the booked appointment starts. */
  appointment_at: Date | null;
}

/** `rows` has the id, the status and the time of creation of registrations. */
const selectOverviews = (rows: string): string => `select r.id, r.status = 'verified' as is_verified, r.created_at,
    d.vaccine_id, d.given_at, d.certificate_id,
    (select s.starts_at from vaccination_appointments a join vaccination_sessions s on s.id = a.session_id
      where a.registration_id = r.id and a.status in ('booked', 'checked_in') order by s.starts_at limit 1) as appointment_at
  from (${rows}) r
  left join lateral (
    select d.vaccine_id, d.given_at, c.id as certificate_id from vaccination_doses d
    left join vaccination_certificates c on c.dose_id = d.id and c.revoked_at is null
    where d.registration_id = r.id and d.status = 'completed' order by d.given_at desc limit 1
  ) d on true
  order by r.id desc`;

const COLUMNS = 'select id, status, created_at from vaccination_registrations';

/** $1: the account. */
const SELECT_OWN = selectOverviews(`${COLUMNS} where user_id = $1 and place = 0`);

/**
 * $1: how many. With `status = 'pending' order by id`, PostgreSQL may walk the primary key and read all decided registrations.
 * A range that has one status, ordered by both columns, lets only the index of status and id serve.
 */
const SELECT_LIST = selectOverviews(`
    select * from (
      (${COLUMNS} where status between 'pending' and 'pending' order by status desc, id desc limit $1) union (${COLUMNS} order by id desc limit $1)
    ) n order by n.status = 'pending' desc, n.id desc limit $1`);

/** Registrations as lists of the vaccine registration show them. */
@Injectable()
export class RegistrationOverviewsService {
  constructor(@InjectDataSource() private readonly dataSource: DataSource) {}

  /** The registration of the owner of an account; null if there is none. */
  async findOwn(userId: string): Promise<RegistrationOverview | null> {
    const [overview] = await this.dataSource.query<RegistrationOverview[]>(SELECT_OWN, [userId]);
    return overview ?? null;
  }

  /**
   * Registrations, newest first. If there are more than `limit`, those that wait for a decision are preferred to newer ones. The
   * caller records that they were read.
   */
  list(limit: number): Promise<RegistrationOverview[]> {
    return this.dataSource.query<RegistrationOverview[]>(SELECT_LIST, [limit]);
  }
}
