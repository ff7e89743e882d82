import { Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { randomBytes } from 'node:crypto';
import { type EntityManager, IsNull, Repository } from 'typeorm';
import { v7 as uuidv7, validate as isUuid } from 'uuid';
import { AuditService } from '../../audit/audit.service.js';
import { Clock } from '../../common/clock.provider.js';
import { Config } from '../../config/config.js';
import { findUnique } from '../../database/statements/find-unique.js';
import { type Page, type PageQueryDto, readCursor, toPage } from '../../http/pagination.dto.js';
import { Problem } from '../../http/problems/problem.js';
import { actorOf, type Caller } from '../../users/caller.js';
import { dayOf } from '../days.js';
import { Dose } from '../doses/dose.entity.js';
import { ineligible } from '../eligibility/ineligible.js';
import type { CertificateFacts } from './formats/certificate-content.js';
import { CertificateKeys } from './certificate-keys.provider.js';
import { Certificate } from './certificate.entity.js';
import { type CertificateDto, toCertificateDto, toStatedDto } from './certificates.dto.js';
import { isHcertOf, signHcert } from './formats/hcert.js';
import { isShcOf, signShc } from './formats/shc.js';
import { fromSeconds, toSeconds } from './formats/signed-document.js';
import { createUvci } from './formats/uvci.js';

const VALIDITY_DAYS = 365;
/** A certificate that expires sooner is renewed when its owner asks for one. */
const RENEWAL_DAYS = 30;
const DAY_SECONDS = 86_400;

/** The URL of the issuer of SMART Health Cards; its keys are at `/.well-known/jwks.json` below it. */
const shcIssuerOf = ({ publicUrl }: Config): string => `${publicUrl}/api/vaccination/certificates/shc`;

/** Issues certificates of doses and revokes them. */
@Injectable()
export class CertificatesService {
  constructor(
    @InjectRepository(Certificate) private readonly certificates: Repository<Certificate>,
    private readonly keys: CertificateKeys,
    private readonly config: Config,
    private readonly clock: Clock,
    private readonly audit: AuditService,
  ) {}

  /** Lists the certificates of the caller and of the caller's dependants, newest first. Throws `invalid_cursor`. */
  async list(caller: Caller, { limit, cursor }: PageQueryDto): Promise<Page<CertificateDto>> {
    const before = readCursor(cursor, isUuid);
    const query = this.queryOfOwner(caller)
      .orderBy('c.id', 'DESC')
      .limit(limit + 1);
    if (before !== undefined) query.andWhere('c.id < :before', { before });
    const rows = await query.getMany();
    return toPage(rows, limit, (row) => row.id, this.toDto);
  }

  /** A certificate of the caller or of a dependant. Throws `certificate_not_found`. */
  async get(caller: Caller, id: string): Promise<Certificate> {
    const certificate = await this.queryOfOwner(caller).andWhere('c.id = :id', { id }).getOne();
    if (!certificate) throw new Problem('certificate_not_found');
    return certificate;
  }

  /** The valid certificate of a dose. The caller checks who may read it. Throws `certificate_not_found`. */
  async getOfDose(doseId: string): Promise<Certificate> {
    const certificate = await this.certificates.findOneBy({ dose_id: doseId, revoked_at: IsNull() });
    if (!certificate) throw new Problem('certificate_not_found');
    return certificate;
  }

  readonly toDto = (certificate: Certificate): CertificateDto => toCertificateDto(certificate, this.clock.date());

  /**
   * Returns the valid certificate of a dose. Issues one if there is none, if it expires soon, if a newer key signs, or if the
   * person's data or the vaccine was corrected since; the former one is then revoked. Throws `dose_not_found`,
   * `registration_not_verified`, `certificates_unavailable`.
   */
  async getOrCreate(caller: Caller, doseId: string): Promise<{ certificate: Certificate; isNew: boolean }> {
    return this.certificates.manager.transaction(async (manager) => {
      const dose = await findDose(manager, doseId);
      if (!dose || dose.registration.user_id !== caller.id) throw new Problem('dose_not_found');
      const current = await manager.findOneBy(Certificate, { dose_id: doseId, revoked_at: IsNull() });
      if (current && (await this.isUpToDate(current, dose))) {
        return { certificate: current, isNew: false };
      }
      if (!isVerified(dose)) throw ineligible(['registration_not_verified'], { next_dose: null, earliest_day: null });
      await this.revokeForDose(manager, doseId);
      const certificate = await this.issue(manager, dose);
      await this.audit.write(manager, {
        action: 'vaccination_certificate.issued',
        ...actorOf(caller),
        subject_id: certificate.id,
        details: { dose_id: doseId, replaces: current?.id ?? null },
      });
      return { certificate, isNew: true };
    });
  }

  /**
   * Issues the certificate of a dose that the same transaction records. Does nothing if CERTIFICATE_KEY is not set, or if the
   * person's data waits for verification: the owner asks for the certificate afterwards.
   */
  async issueForDose(manager: EntityManager, doseId: string): Promise<void> {
    if (!this.keys.canSign) return;
    const dose = await findDose(manager, doseId);
    if (!dose) throw new Error(`There is no completed dose ${doseId}`);
    if (isVerified(dose)) await this.issue(manager, dose);
  }

  /** Revokes the valid certificate of a dose, if there is one. */
  async revokeForDose(manager: EntityManager, doseId: string): Promise<void> {
    await manager.update(Certificate, { dose_id: doseId, revoked_at: IsNull() }, { revoked_at: this.clock.date() });
  }

  private queryOfOwner(caller: Caller) {
    return this.certificates
      .createQueryBuilder('c')
      .innerJoin('c.dose', 'd')
      .innerJoin('d.registration', 'r')
      .where('r.user_id = :userId', { userId: caller.id });
  }

  /** A change of what a certificate does not state, such as the phone number, must not revoke one that people have printed. */
  private async isUpToDate(current: Certificate, dose: Dose): Promise<boolean> {
    const { uvci, issued_at, expires_at, hcert, shc, shc_kid } = current;
    if (expires_at.getTime() - RENEWAL_DAYS * DAY_SECONDS * 1000 <= this.clock.now()) return false;
    if (shc_kid !== this.keys.getSigningKey().shcKid) return false;
    const { country, issuer } = toStatedDto(current);
    const facts = { ...this.toFacts(dose), uvci, country, issuer, issued_at, expires_at };
    return isShcOf(facts, shc) && isHcertOf(facts, hcert);
  }

  private async issue(manager: EntityManager, dose: Dose): Promise<Certificate> {
    const { key, hcertKid, shcKid } = this.keys.getSigningKey();
    const facts = this.toFacts(dose);
    const rid = randomBytes(9).toString('base64url');
    const certificate = {
      id: uuidv7(),
      dose_id: dose.id,
      uvci: facts.uvci,
      rid,
      hcert: await signHcert(facts, hcertKid, key),
      shc: signShc(facts, { issuerUrl: shcIssuerOf(this.config), rid }, shcKid, key),
      hcert_kid: hcertKid.toString('base64'),
      shc_kid: shcKid,
      issued_at: facts.issued_at,
      expires_at: facts.expires_at,
      revoked_at: null,
    };
    await manager.insert(Certificate, certificate);
    return certificate as Certificate;
  }

  private toFacts({ dose, given_at, registration, vaccine, lot, centre }: Dose): CertificateFacts {
    const issued_at = this.clock.date();
    return {
      uvci: createUvci(this.config.CERTIFICATE_COUNTRY),
      name: registration.legal_name,
      date_of_birth: registration.date_of_birth ?? '',
      disease: vaccine.disease,
      product: vaccine.name,
      manufacturer: vaccine.manufacturer,
      cvx_code: vaccine.cvx_code,
      who_code: vaccine.who_code,
      lot_number: lot.number,
      dose,
      doses: Math.max(dose, vaccine.doses.length),
      given_on: dayOf(given_at, centre.time_zone),
      country: this.config.CERTIFICATE_COUNTRY,
      issuer: this.config.CERTIFICATE_ISSUER ?? this.config.APP_NAME,
      issued_at,
      expires_at: fromSeconds(toSeconds(issued_at) + VALIDITY_DAYS * DAY_SECONDS), // signed as seconds
    };
  }
}

/**
 * Whether the staff has verified the person's data. A withdrawn registration is as it was verified: a change makes it pending.
 * Otherwise its owner could withdraw it, and have the dose certified under another name.
 */
const isVerified = ({ registration: { status } }: Dose): boolean => status === 'verified' || status === 'withdrawn';

/** Locks a completed dose, so that it has one certificate and none once it is entered in error, and reads what it is about. */
async function findDose(manager: EntityManager, id: string): Promise<Dose | null> {
  const where = { id, status: 'completed' as const };
  const isCompleted = await manager.findOne(Dose, { where, lock: { mode: 'pessimistic_write' } });
  if (!isCompleted) return null;
  return findUnique(manager.getRepository(Dose), {
    where,
    relations: { registration: true, vaccine: true, lot: true, centre: true },
  });
}
