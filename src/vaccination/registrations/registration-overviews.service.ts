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

/** $1: the account, whose own registration is read; null: the newest registrations of all. $2: how many. */
const OVERVIEWS = `select r.id, r.status = 'verified' as is_verified, r.created_at, d.vaccine_id, d.given_at, d.certificate_id,
    (select s.starts_at from vaccination_appointments a join vaccination_sessions s on s.id = a.session_id
      where a.registration_id = r.id and a.status in ('booked', 'checked_in') order by s.starts_at limit 1) as appointment_at
  from vaccination_registrations r
  left join lateral (
    select d.vaccine_id, d.given_at, c.id as certificate_id from vaccination_doses d
    left join vaccination_certificates c on c.dose_id = d.id and c.revoked_at is null
    where d.registration_id = r.id and d.status = 'completed' order by d.given_at desc limit 1
  ) d on true
  where $1::uuid is null or (r.user_id = $1 and r.place = 0)
  order by r.id desc limit $2`;

/** Registrations as lists of the vaccine registration show them. */
@Injectable()
export class RegistrationOverviewsService {
  constructor(@InjectDataSource() private readonly dataSource: DataSource) {}

  /** The registration of the owner of an account; null if there is none. */
  async findOwn(userId: string): Promise<RegistrationOverview | null> {
    const [overview] = await this.dataSource.query<RegistrationOverview[]>(OVERVIEWS, [userId, 1]);
    return overview ?? null;
  }

  /** The newest registrations. The caller records that they were read. */
  list(limit: number): Promise<RegistrationOverview[]> {
    return this.dataSource.query<RegistrationOverview[]>(OVERVIEWS, [null, limit]);
  }
}
