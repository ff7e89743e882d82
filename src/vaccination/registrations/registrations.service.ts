import { Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { type EntityManager, Repository } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import { AuditService } from '../../audit/audit.service.js';
import { Clock } from '../../common/clock.provider.js';
import { insertOrIgnore } from '../../database/statements/insert-or-ignore.js';
import { Problem, validationFailed } from '../../http/problems/problem.js';
import { ID_NUMBERS_QUOTA, PHONE_NUMBERS_QUOTA } from '../../rate-limit/quotas.js';
import { QuotasService } from '../../rate-limit/quotas.service.js';
import { actorOf, type Caller } from '../../users/caller.js';
import { addDays, dayOf } from '../days.js';
import { DEFAULT_TIME_ZONE } from '../time-zones.js';
import { RegistrationIdsService } from './registration-ids.service.js';
import { MAX_DEPENDANTS, Registration } from './registration.entity.js';
import type { CreateRegistrationDto, UpdateRegistrationDto } from './registrations.dto.js';

const MAX_AGE_DAYS = 130 * 366;

const HAS_APPOINTMENT = `select 1 from vaccination_appointments
  where registration_id = $1 and status in ('booked', 'checked_in') limit 1`;

const HAS_DOSE = `select 1 from vaccination_doses where registration_id = $1 and status = 'completed' limit 1`;

/** A registration to insert; the date of birth and the phone number may be unknown. */
export type NewRegistration = Omit<CreateRegistrationDto, 'date_of_birth' | 'phone'> &
  Pick<Registration, 'date_of_birth' | 'phone'>;

const UNDECIDED = { status: 'pending', rejection_reason: null, decided_by: null, decided_at: null } as const;

/** The people who registered for vaccination, each for its owner: the user who registered the person. */
@Injectable()
export class RegistrationsService {
  constructor(
    @InjectRepository(Registration) private readonly registrations: Repository<Registration>,
    private readonly ids: RegistrationIdsService,
    private readonly quotas: QuotasService,
    private readonly clock: Clock,
    private readonly audit: AuditService,
  ) {}

  /** The registrations of a user: their own first, then those of their dependants. */
  listOwn({ id }: Pick<Caller, 'id'>): Promise<Registration[]> {
    return this.registrations.find({ where: { user_id: id }, order: { place: 'ASC' } });
  }

  /** A registration of the caller or a dependant. Throws `registration_not_found`. */
  async getOwn(caller: Caller, id: string): Promise<Registration> {
    const registration = await this.registrations.findOneBy({ id, user_id: caller.id });
    if (!registration) throw new Problem('registration_not_found');
    return registration;
  }

  /**
   * Registers a person, once over all accounts and spellings of the id. Throws `person_registered`, `registration_exists`,
   * `too_many_dependants`, `validation_failed`, `rate_limited`.
   */
  async create(caller: Caller, { is_dependant = false, id_number, ...dto }: NewRegistration): Promise<Registration> {
    this.assertDateOfBirth(dto.date_of_birth);
    const id = uuidv7();
    const now = this.clock.date();
    const number = this.ids.read(dto.id_type, id_number, dto.date_of_birth);
    await this.quotas.consume(ID_NUMBERS_QUOTA, caller.id);
    await this.registrations.manager.transaction(async (manager) => {
      const columns = await this.ids.toColumns(manager, id, dto.id_type, number);
      const times = { created_at: now, updated_at: now };
      const row = { id, user_id: caller.id, version: 1, sex: null, ...dto, ...columns, ...UNDECIDED, ...times };
      const places = is_dependant ? Array.from({ length: MAX_DEPENDANTS }, (_, index) => index + 1) : [0];
      if (!(await this.insert(manager, row, places))) {
        throw new Problem(is_dependant ? 'too_many_dependants' : 'registration_exists');
      }
      await this.audit.write(manager, { action: 'registration.created', ...actorOf(caller), subject_id: id });
    });
    return this.getOwn(caller, id);
  }

  /**
   * Changes an own registration. Throws `registration_not_found`, `registration_decided`, `registration_in_use`,
   * `person_registered`, `validation_failed`, `rate_limited`.
   */
  async update(caller: Caller, id: string, dto: UpdateRegistrationDto): Promise<Registration> {
    if (dto.id_number !== undefined) await this.quotas.consume(ID_NUMBERS_QUOTA, caller.id);
    if (dto.phone !== undefined) await this.quotas.consume(PHONE_NUMBERS_QUOTA, caller.id);
    await this.registrations.manager.transaction(async (manager) => {
      const before = await this.lockOwn(manager, caller, id);
      const fields = Object.keys(dto).filter((name) => dto[name as keyof typeof dto] !== undefined);
      if (fields.length === 0) return;
      const needsReview = fields.some((name) => name !== 'phone');
      const isCompletion = before.date_of_birth === null && fields.includes('date_of_birth');
      if (needsReview && before.status === 'verified' && !isCompletion) throw new Problem('registration_decided');
      // A withdrawn registration has an appointment again when its dose was entered in error: the next dose is for the same person.
      if (needsReview && !isCompletion) await assertNoAppointment(manager, id);
      const changes = { ...(await this.readChanges(manager, before, dto)), ...(needsReview ? UNDECIDED : {}) };
      const version = before.version + 1;
      await manager.update(Registration, id, { ...changes, version, updated_at: this.clock.date() });
      const entry = { action: 'registration.changed' as const, ...actorOf(caller), subject_id: id };
      await this.audit.write(manager, { ...entry, details: { fields } });
    });
    return this.getOwn(caller, id);
  }

  /**
   * Withdraws a verified registration without appointments. Throws `registration_not_found`, `registration_decided`,
   * `registration_in_use`.
   */
  async withdraw(caller: Caller, id: string): Promise<Registration> {
    const now = this.clock.date();
    await this.registrations.manager.transaction(async (manager) => {
      const { status, version } = await this.lockOwn(manager, caller, id);
      if (status !== 'verified') throw new Problem('registration_decided');
      await assertNoAppointment(manager, id);
      await manager.update(Registration, id, { status: 'withdrawn', version: version + 1, updated_at: now });
      await this.audit.write(manager, { action: 'registration.withdrawn', ...actorOf(caller), subject_id: id });
    });
    return this.getOwn(caller, id);
  }

  /** Takes the first free place of the account. Waits for concurrent registrations in it. Throws `person_registered`. */
  private async insert(
    manager: EntityManager,
    row: Omit<Registration, 'place' | 'user'>,
    places: number[],
  ): Promise<boolean> {
    for (const place of places) {
      if (await insertOrIgnore(manager, Registration, { ...row, place })) return true;
      await this.ids.assertUnknown(manager, row.id, [row.id_hash]);
    }
    return false;
  }

  private async readChanges(
    manager: EntityManager,
    before: Registration,
    { id_number, ...dto }: UpdateRegistrationDto,
  ): Promise<Partial<Registration>> {
    const { id_type = before.id_type, date_of_birth = before.date_of_birth } = dto;
    this.assertDateOfBirth(date_of_birth);
    if (id_number === undefined && dto.id_type === undefined && dto.date_of_birth === undefined) return dto;
    const number = this.ids.read(id_type, id_number ?? this.ids.decrypt(before), date_of_birth);
    const columns = await this.ids.toColumns(manager, before.id, id_type, number);
    await this.assertMayHaveId(manager, before, columns.id_hash);
    return { ...dto, ...columns };
  }

  /**
   * A record of a dose stays with the id number under which it was given: otherwise its owner could hand it to another person,
   * whose documents the staff then verifies. Throws `registration_decided`.
   */
  private async assertMayHaveId(manager: EntityManager, before: Registration, id_hash: Buffer): Promise<void> {
    if (id_hash.equals(before.id_hash)) return;
    const given = await manager.query<unknown[]>(HAS_DOSE, [before.id]);
    // The stored hash may be one of a former key.
    if (given.length === 0 || id_hash.equals(this.ids.hashesOf(before)[0]!)) return;
    throw new Problem('registration_decided', {
      detail: 'The person got a dose under this id number: it cannot change.',
    });
  }

  /** A registration of the caller with its number, locked until the transaction ends. Throws `registration_not_found`. */
  async lockOwn(manager: EntityManager, caller: Caller, id: string): Promise<Registration> {
    const registration = await manager
      .createQueryBuilder(Registration, 'r')
      .addSelect(['r.id_number', 'r.id_hash'])
      .where({ id, user_id: caller.id })
      .setLock('pessimistic_write')
      .getOne();
    if (!registration) throw new Problem('registration_not_found');
    return registration;
  }

  /** Throws `validation_failed` for a date of birth that is in the future or too long ago. */
  private assertDateOfBirth(day: string | null): void {
    const today = dayOf(this.clock.date(), DEFAULT_TIME_ZONE);
    if (day === null || (day <= today && day >= addDays(today, -MAX_AGE_DAYS))) return;
    throw validationFailed([{ path: 'date_of_birth', message: 'date_of_birth must be a day in the past' }]);
  }
}

/** Throws `registration_in_use` if the person is expected at a centre. The caller has locked the registration. */
async function assertNoAppointment(manager: EntityManager, id: string): Promise<void> {
  const live = await manager.query<unknown[]>(HAS_APPOINTMENT, [id]);
  if (live.length > 0) throw new Problem('registration_in_use');
}
