import { Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { type EntityManager, MoreThan, Repository } from 'typeorm';
import { v7 as uuidv7, validate as isUuid } from 'uuid';
import { AuditService } from '../../audit/audit.service.js';
import { Clock } from '../../common/clock.provider.js';
import { type Page, readCursor, toPage } from '../../http/pagination.dto.js';
import { type FieldError, Problem, validationFailed } from '../../http/problems/problem.js';
import { actorOf, type Caller } from '../../users/caller.js';
import { type DosePlan, Vaccine } from './vaccine.entity.js';
import {
  type CreateVaccineDto,
  toVaccineDto,
  type UpdateVaccineDto,
  type VaccineDto,
  type VaccinesQueryDto,
} from './vaccines.dto.js';

/** The catalogue of vaccines. */
@Injectable()
export class VaccinesService {
  constructor(
    @InjectRepository(Vaccine) private readonly vaccines: Repository<Vaccine>,
    private readonly clock: Clock,
    private readonly audit: AuditService,
  ) {}

  /** Lists vaccines, oldest first. Throws `invalid_cursor`. */
  async list({ limit, cursor, is_active }: VaccinesQueryDto): Promise<Page<VaccineDto>> {
    const after = readCursor(cursor, isUuid);
    const rows = await this.vaccines.find({
      where: {
        ...(after === undefined ? {} : { id: MoreThan(after) }),
        ...(is_active === undefined ? {} : { is_active }),
      },
      order: { id: 'ASC' },
      take: limit + 1,
    });
    return toPage(rows, limit, (row) => row.id, toVaccineDto);
  }

  /** Throws `vaccine_not_found`. */
  async get(id: string, manager: EntityManager = this.vaccines.manager): Promise<Vaccine> {
    const vaccine = await manager.findOneBy(Vaccine, { id });
    if (!vaccine) throw new Problem('vaccine_not_found');
    return vaccine;
  }

  /** The vaccine with this code, or without a code the oldest active one; null if there is none. */
  findDefault(code: string | undefined): Promise<Vaccine | null> {
    return this.vaccines.findOne({ where: code === undefined ? { is_active: true } : { code }, order: { id: 'ASC' } });
  }

  /** Adds a vaccine. Throws `vaccine_code_taken`, `validation_failed`. */
  create(caller: Caller, dto: CreateVaccineDto): Promise<Vaccine> {
    const now = this.clock.date();
    const defaults = { cvx_code: null, who_code: null, min_age_months: 0, max_age_months: null, is_active: true };
    const vaccine: Vaccine = { id: uuidv7(), ...defaults, ...dto, created_at: now, updated_at: now };
    assertConsistent(vaccine);
    return this.vaccines.manager.transaction(async (manager) => {
      await manager.insert(Vaccine, vaccine);
      await this.audit.write(manager, {
        action: 'vaccine.created',
        ...actorOf(caller),
        subject_id: vaccine.id,
        details: { ...dto },
      });
      return vaccine;
    });
  }

  /** Changes a vaccine. Throws `vaccine_not_found`, `vaccine_code_taken`, `validation_failed`. */
  update(caller: Caller, id: string, dto: UpdateVaccineDto): Promise<Vaccine> {
    return this.vaccines.manager.transaction(async (manager) => {
      const before = await manager.findOne(Vaccine, { where: { id }, lock: { mode: 'pessimistic_write' } });
      if (!before) throw new Problem('vaccine_not_found');
      const vaccine: Vaccine = { ...before, ...dto, updated_at: this.clock.date() };
      assertConsistent(vaccine);
      await manager.update(Vaccine, id, vaccine);
      await this.audit.write(manager, {
        action: 'vaccine.changed',
        ...actorOf(caller),
        subject_id: id,
        details: { ...dto },
      });
      return vaccine;
    });
  }
}

/** Rules about several fields. Throws `validation_failed`. */
function assertConsistent({ min_age_months, max_age_months, doses }: Vaccine): void {
  const errors: FieldError[] = doses.flatMap((dose, index) => findDoseErrors(dose, index));
  if (max_age_months !== null && max_age_months <= min_age_months) {
    errors.push({ path: 'max_age_months', message: 'max_age_months must be greater than min_age_months' });
  }
  if (errors.length > 0) throw validationFailed(errors);
}

function findDoseErrors(dose: DosePlan, index: number): FieldError[] {
  const { min_interval_days: min, recommended_interval_days: recommended, grace_days: grace } = dose;
  const path = `doses.${index}`;
  if (index === 0 && (min !== 0 || recommended !== 0 || grace !== 0)) {
    return [{ path, message: 'the first dose has no intervals: they must be 0' }];
  }
  if (recommended < min) {
    const message = 'recommended_interval_days must not be less than min_interval_days';
    return [{ path: `${path}.recommended_interval_days`, message }];
  }
  if (grace > min) {
    return [{ path: `${path}.grace_days`, message: 'grace_days must not be greater than min_interval_days' }];
  }
  return [];
}
