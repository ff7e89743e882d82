import { Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { createHash } from 'node:crypto';
import { type FindOptionsWhere, IsNull, MoreThan, Not, Repository } from 'typeorm';
import { Clock } from '../../common/clock.provider.js';
import { Config } from '../../config/config.js';
import { Problem } from '../../http/problems/problem.js';
import type { HcertKeysDto, HcertRevocationsDto, ShcKeysDto, ShcRevocationsDto } from './certificate-keys.dto.js';
import { CertificateKeys } from './certificate-keys.provider.js';
import { Certificate } from './certificate.entity.js';

/** The keys and revocation lists that verifiers without a connection download. */
@Injectable()
export class CertificateRevocationsService {
  constructor(
    @InjectRepository(Certificate) private readonly certificates: Repository<Certificate>,
    private readonly keys: CertificateKeys,
    private readonly config: Config,
    private readonly clock: Clock,
  ) {}

  /** The keys of HC1 certificates. */
  listHcertKeys(): HcertKeysDto {
    const keys = this.keys.published.map(({ published, hcertKid, spki, x509 }) => ({
      ...published,
      kid: hcertKid.toString('base64'),
      spki: spki.toString('base64'),
      ...(x509 ? { x5c: [x509.toString('base64')] } : {}),
    }));
    return { keys };
  }

  /** The keys of SMART Health Cards. The version of the revocation list tells verifiers whether theirs is old. */
  async listShcKeys(): Promise<ShcKeysDto> {
    const keys = new Map(this.keys.published.map(({ published }) => [published.kid, published]));
    return {
      keys: await Promise.all(
        [...keys.values()].map(async (key) => ({
          ...key,
          crlVersion: await this.certificates.countBy(revokedBy({ shc_kid: key.kid })),
        })),
      ),
    };
  }

  /** The revoked cards of a key that have not expired. Throws `certificate_key_not_found`. */
  async getShcRevocations(kid: string): Promise<ShcRevocationsDto> {
    if (!this.keys.published.some(({ published }) => published.kid === kid)) {
      throw new Problem('certificate_key_not_found');
    }
    const where = revokedBy({ shc_kid: kid });
    const ctr = await this.certificates.countBy(where);
    const rows = await this.listUnexpired(where);
    return { kid, method: 'rid', ctr, rids: rows.map(({ rid }) => rid) };
  }

  /** The revoked HC1 certificates of a key that have not expired. Throws `certificate_key_not_found`. */
  async getHcertRevocations(kid: string): Promise<HcertRevocationsDto> {
    const key = this.keys.published.find(({ hcertKid }) => hcertKid.toString('base64url') === kid);
    if (!key) throw new Problem('certificate_key_not_found');
    const hcert_kid = key.hcertKid.toString('base64');
    const rows = await this.listUnexpired(revokedBy({ shc_kid: key.published.kid, hcert_kid }));
    const last = Math.max(this.clock.now(), ...rows.map(({ expires_at }) => expires_at.getTime()));
    return {
      country: this.config.CERTIFICATE_COUNTRY,
      expires: new Date(last),
      kid: hcert_kid,
      hashType: 'UCI',
      entries: rows.map(({ uvci }) => ({ hash: createHash('sha256').update(uvci).digest().toString('base64', 0, 16) })),
    };
  }

  private listUnexpired(where: FindOptionsWhere<Certificate>): Promise<Certificate[]> {
    return this.certificates.find({
      select: { id: true, rid: true, uvci: true, expires_at: true },
      where: { ...where, expires_at: MoreThan(this.clock.date()) },
      order: { id: 'ASC' },
    });
  }
}

const revokedBy = (key: FindOptionsWhere<Certificate>): FindOptionsWhere<Certificate> => ({
  ...key,
  revoked_at: Not(IsNull()),
});
