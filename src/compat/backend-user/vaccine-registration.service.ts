import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { DataSource } from 'typeorm';
import { AuthenticatorService } from '../../auth/authenticator.service.js';
import { Config } from '../../config/config.js';
import { Problem, tokenProblem } from '../../http/problems/problem.js';
import { assertValid } from '../../http/validation.js';
import type { Caller } from '../../users/caller.js';
import { UsersService } from '../../users/users.service.js';
import { readNationalId } from '../../vaccination/registrations/national-id.js';
import { toE164 } from '../../vaccination/registrations/phone-number.js';
import { ID_TYPES } from '../../vaccination/registrations/registration.entity.js';
import {
  type RegistrationOverview,
  RegistrationOverviewsService,
} from '../../vaccination/registrations/registration-overviews.service.js';
import { RegistrationReviewsService } from '../../vaccination/registrations/registration-reviews.service.js';
import { RegistrationsService } from '../../vaccination/registrations/registrations.service.js';
import { VaccinesService } from '../../vaccination/vaccines/vaccines.service.js';
import { type OldVaccinationDto, VaccineApprovalDto } from './vaccine-registration.dto.js';

/** The old front end shows all registrations at once, and has no other way to those that wait for a decision. */
const MAX_LISTED = 1000;

/** Converts between the documented formats of the vaccine registration's first service and Machi's vaccination. */
@Injectable()
export class VaccineRegistrationService {
  constructor(
    @InjectDataSource() private readonly dataSource: DataSource,
    private readonly config: Config,
    private readonly authenticator: AuthenticatorService,
    private readonly users: UsersService,
    private readonly registrations: RegistrationsService,
    private readonly reviews: RegistrationReviewsService,
    private readonly overviews: RegistrationOverviewsService,
    private readonly vaccines: VaccinesService,
  ) {}

  /**
   * Registers the caller with the name, the national id and the phone number of the account. Throws the problems of tokens and
   * of registering, and `national_id_missing`.
   */
  async register(body: object): Promise<void> {
    const caller = await this.authenticate(body);
    const nid = await this.users.findNationalId(caller.id);
    const { fullname, birthday, phone_number } = caller.profile;
    const date_of_birth = birthday ?? null;
    const id_type = ID_TYPES.find((type) => typeof readNationalId(type, nid ?? '', date_of_birth) !== 'string');
    if (nid === null || id_type === undefined) throw new Problem('national_id_missing');
    const phone = phone_number === null ? null : (toE164(phone_number) ?? null);
    await this.registrations.create(caller, { legal_name: fullname, date_of_birth, id_type, id_number: nid, phone });
  }

  /** The caller's own registration; null if there is none. Throws the problems of tokens. */
  async findOwn(body: object): Promise<OldVaccinationDto | null> {
    const overview = await this.overviews.findOwn((await this.authenticate(body)).id);
    return overview && this.toDto(overview, await this.findDefaultVaccine());
  }

  /** The registrations that the old front end shows, for callers with `verify_registrations`. Throws the problems of tokens. */
  async list(body: object): Promise<OldVaccinationDto[]> {
    const caller = await this.authenticateStaff(body);
    const overviews = await this.overviews.list(MAX_LISTED);
    const ids = overviews.map(({ id }) => id);
    await this.reviews.recordReads(this.dataSource.manager, caller, ids, 'POST /api/allvaccines');
    const vaccine = await this.findDefaultVaccine();
    return overviews.map((overview) => this.toDto(overview, vaccine));
  }

  /** Verifies a registration. Throws the problems of tokens and of verifying. */
  async approve(body: object): Promise<void> {
    const caller = await this.authenticateStaff(body);
    const { vaccination_id } = assertValid(VaccineApprovalDto, body);
    await this.reviews.verify(caller, vaccination_id.toLowerCase(), undefined); // its client knows no versions
  }

  /** The old service documents 401 for every caller without a valid token; its front end sends null when nobody is signed in. */
  private async authenticate(body: object): Promise<Caller> {
    const { token } = body as { token?: unknown };
    if (token === undefined || token === null || token === '') throw tokenProblem('token_required');
    if (typeof token !== 'string') throw tokenProblem('invalid_token');
    return (await this.authenticator.authenticateFirst([token])).caller;
  }

  /** The old service documents 401 for callers without the right. */
  private async authenticateStaff(body: object): Promise<Caller> {
    const caller = await this.authenticate(body);
    if (!caller.permissions.verify_registrations) throw tokenProblem('invalid_token');
    return caller;
  }

  private async findDefaultVaccine(): Promise<string | null> {
    return (await this.vaccines.findDefault(this.config.DEFAULT_VACCINE))?.id ?? null;
  }

  private toDto(overview: RegistrationOverview, defaultVaccine: string | null): OldVaccinationDto {
    const { id, is_verified, created_at, vaccine_id, given_at, certificate_id, appointment_at } = overview;
    const path = `${this.config.publicUrl}/api/vaccination/certificates`;
    return {
      id,
      vaccine_id: vaccine_id ?? defaultVaccine,
      vaccination_date: given_at ?? appointment_at,
      verified: is_verified,
      certificate_url: certificate_id === null ? null : `${path}/${certificate_id}.pdf`,
      created_at,
    };
  }
}
