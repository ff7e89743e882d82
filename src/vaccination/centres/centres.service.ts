import { Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { MoreThan, Repository } from 'typeorm';
import { v7 as uuidv7, validate as isUuid } from 'uuid';
import { AuditService } from '../../audit/audit.service.js';
import { Clock } from '../../common/clock.provider.js';
import { type Page, readCursor, toPage } from '../../http/pagination.dto.js';
import { Problem } from '../../http/problems/problem.js';
import { actorOf, type Caller } from '../../users/caller.js';
import { assertKnownTimeZone, DEFAULT_TIME_ZONE } from '../time-zones.js';
import { Centre } from './centre.entity.js';
import {
  type CentreDto,
  type CentresQueryDto,
  type CreateCentreDto,
  toCentreDto,
  type UpdateCentreDto,
} from './centres.dto.js';

/** The places where people are vaccinated. */
@Injectable()
export class CentresService {
  constructor(
    @InjectRepository(Centre) private readonly centres: Repository<Centre>,
    private readonly clock: Clock,
    private readonly audit: AuditService,
  ) {}

  /** Lists centres, oldest first. Throws `invalid_cursor`. */
  async list({ limit, cursor, district, status }: CentresQueryDto): Promise<Page<CentreDto>> {
    const after = readCursor(cursor, isUuid);
    const rows = await this.centres.find({
      where: {
        ...(after === undefined ? {} : { id: MoreThan(after) }),
        ...(district === undefined ? {} : { district }),
        ...(status === undefined ? {} : { status }),
      },
      order: { id: 'ASC' },
      take: limit + 1,
    });
    return toPage(rows, limit, (row) => row.id, toCentreDto);
  }

  /** Throws `centre_not_found`. */
  async get(id: string): Promise<Centre> {
    const centre = await this.centres.findOneBy({ id });
    if (!centre) throw new Problem('centre_not_found');
    return centre;
  }

  /** Adds a centre. Throws `centre_code_taken`, `validation_failed`. */
  create(caller: Caller, dto: CreateCentreDto): Promise<Centre> {
    const now = this.clock.date();
    const defaults = { time_zone: DEFAULT_TIME_ZONE, status: 'active' as const };
    const centre: Centre = { id: uuidv7(), ...defaults, ...dto, created_at: now, updated_at: now };
    return this.centres.manager.transaction(async (manager) => {
      await assertKnownTimeZone(manager, dto.time_zone);
      await manager.insert(Centre, centre);
      await this.audit.write(manager, {
        action: 'vaccination_centre.created',
        ...actorOf(caller),
        subject_id: centre.id,
        details: { ...dto },
      });
      return centre;
    });
  }

  /** Changes a centre. Throws `centre_not_found`, `centre_code_taken`, `validation_failed`. */
  async update(caller: Caller, id: string, dto: UpdateCentreDto): Promise<Centre> {
    await this.centres.manager.transaction(async (manager) => {
      await assertKnownTimeZone(manager, dto.time_zone);
      const { affected } = await manager.update(Centre, id, { ...dto, updated_at: this.clock.date() });
      if (affected === 0) throw new Problem('centre_not_found');
      await this.audit.write(manager, {
        action: 'vaccination_centre.changed',
        ...actorOf(caller),
        subject_id: id,
        details: { ...dto },
      });
    });
    return this.get(id);
  }
}
