import { Injectable } from '@nestjs/common';
import { Clock } from '../../common/clock.provider.js';
import { Problem } from '../../http/problems/problem.js';
import type { Caller } from '../../users/caller.js';
import { CentresService } from '../centres/centres.service.js';
import { dayOf } from '../days.js';
import { DEFAULT_TIME_ZONE } from '../time-zones.js';
import type { Vaccine } from '../vaccines/vaccine.entity.js';
import { VaccinesService } from '../vaccines/vaccines.service.js';
import type { EligibilityDto, EligibilityQueryDto, VaccineEligibilityDto } from './eligibility.dto.js';
import { eligibilityOf, type Person } from './eligibility.js';
import { PeopleService } from './people.service.js';

const MAX_VACCINES = 100;

type CatalogueVaccine = Omit<Vaccine, 'created_at' | 'updated_at'>;

/** Tells people which dose they can get, and when, before they look for a place. */
@Injectable()
export class EligibilityService {
  constructor(
    private readonly people: PeopleService,
    private readonly vaccines: VaccinesService,
    private readonly centres: CentresService,
    private readonly clock: Clock,
  ) {}

  /** For a person of the caller's account. Throws `registration_not_found`, `vaccine_not_found`, `centre_not_found`. */
  async get(caller: Caller, registrationId: string, { vaccine, centre }: EligibilityQueryDto): Promise<EligibilityDto> {
    const key = { registration_id: registrationId, user_id: caller.id };
    const person = (await this.people.read([key])).get(registrationId);
    if (!person) throw new Problem('registration_not_found');
    const timeZone = centre === undefined ? DEFAULT_TIME_ZONE : (await this.centres.get(centre)).time_zone;
    const today = dayOf(this.clock.date(), timeZone);
    const items = (await this.listVaccines(vaccine)).map((each) => toDto(each, person, timeZone, today));
    return { registration_id: registrationId, today, items };
  }

  private async listVaccines(id: string | undefined): Promise<CatalogueVaccine[]> {
    if (id !== undefined) return [await this.vaccines.get(id)];
    return (await this.vaccines.list({ limit: MAX_VACCINES, is_active: true })).items;
  }
}

function toDto(vaccine: CatalogueVaccine, person: Person, timeZone: string, today: string): VaccineEligibilityDto {
  const eligibility = eligibilityOf({ person, vaccine, timeZone, day: today, today });
  const { id, code, name, disease } = vaccine;
  return { vaccine: { id, code, name, disease }, is_eligible: eligibility.reasons.length === 0, ...eligibility };
}
