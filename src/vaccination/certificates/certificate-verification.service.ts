import { Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { Repository } from 'typeorm';
import { Clock } from '../../common/clock.provider.js';
import { CertificateKeys } from './certificate-keys.provider.js';
import { Certificate } from './certificate.entity.js';
import { type InvalidReason, toStatedDto, type VerificationDto } from './certificates.dto.js';
import { readHcert } from './formats/hcert.js';
import { readShc } from './formats/shc.js';
import {
  attempt,
  isSignedBy,
  MAX_TEXT_LENGTH,
  type OpenedDocument,
  type SignedDocument,
} from './formats/signed-document.js';

/** Clocks of nodes differ. */
const LEEWAY_MS = 60_000;

/** Verifies the texts of QR codes. */
@Injectable()
export class CertificateVerificationService {
  constructor(
    @InjectRepository(Certificate) private readonly certificates: Repository<Certificate>,
    private readonly keys: CertificateKeys,
    private readonly clock: Clock,
  ) {}

  /** Verifies anything that a client sends as the text of a QR code. */
  async verify(text: unknown): Promise<VerificationDto> {
    if (typeof text !== 'string' || text.length > MAX_TEXT_LENGTH) return invalid('unreadable');
    const document = readHcert(text) ?? readShc(text);
    if (!document) return invalid('unreadable');
    const key = this.keys.find(document);
    if (!key) return invalid('unknown_key');
    if (!isSignedBy(key, document)) return invalid('bad_signature');
    const opened = attempt(document.open);
    if (!opened) return invalid('unreadable');
    if (opened.expires_at.getTime() <= this.clock.now()) return invalid('expired');
    if (opened.not_before.getTime() > this.clock.now() + LEEWAY_MS) return invalid('not_yet_valid');
    return this.verifyOnRecord(opened.record, document.form, text);
  }

  /** A stolen key can sign certificates that other verifiers accept, but does not put them on our record. */
  private async verifyOnRecord(
    record: OpenedDocument['record'],
    form: SignedDocument['form'],
    text: string,
  ): Promise<VerificationDto> {
    const row = await this.certificates.findOneBy(record);
    if (row?.revoked_at) return invalid('revoked');
    if (row?.[form] !== text) return invalid('not_on_record');
    return { valid: true, reason: null, certificate: toStatedDto(row) };
  }
}

const invalid = (reason: InvalidReason): VerificationDto => ({ valid: false, reason, certificate: null });
