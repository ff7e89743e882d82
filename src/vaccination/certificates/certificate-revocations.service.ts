import { Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { IsNull, Not, Repository } from 'typeorm';
import { Clock } from '../../common/clock.provider.js';
import { SharedReads } from '../../common/concurrency/shared-runs.js';
import { Config } from '../../config/config.js';
import { JsonText } from '../../http/json-text.js';
import { Problem } from '../../http/problems/problem.js';
import { etagOf } from '../../http/representation.js';
import type { TaggedJson } from '../../http/tagged-json.js';
import type { HcertKeysDto, HcertRevocationsDto, ShcKeysDto, ShcRevocationsDto } from './certificate-keys.dto.js';
import { CertificateKeys } from './certificate-keys.provider.js';
import { Certificate } from './certificate.entity.js';

/**
 * $1 key, $2 now. The database makes the JSON: after years, a list has hundreds of thousands of entries, and this process would
 * answer nothing else while it makes an object of each.
 */
const SHC_REVOKED = `select count(*)::int as ctr,
    coalesce(json_agg(rid order by id) filter (where expires_at > $2), '[]')::text as rids
  from vaccination_certificates where shc_kid = $1 and revoked_at is not null`;

/** $1 key, $2 the key as HC1 names it, $3 now. */
const HCERT_REVOKED = `select greatest(max(expires_at), $3::timestamptz) as expires, coalesce(json_agg(
    json_build_object('hash', encode(substring(sha256(convert_to(uvci, 'UTF8')) from 1 for 16), 'base64')) order by id
  ), '[]')::text as entries
  from vaccination_certificates where shc_kid = $1 and hcert_kid = $2 and revoked_at is not null and expires_at > $3`;

/** The keys and revocation lists that verifiers without a connection download. */
@Injectable()
export class CertificateRevocationsService {
  /** Verifiers read without an account: many requests at the same time must not cost a read each. */
  private readonly lists = new SharedReads<TaggedJson<never>>();

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
          crlVersion: await this.certificates.countBy({ shc_kid: key.kid, revoked_at: Not(IsNull()) }),
        })),
      ),
    };
  }

  /** The revoked cards of a key that have not expired. Throws `certificate_key_not_found`. */
  getShcRevocations(kid: string): Promise<TaggedJson<ShcRevocationsDto>> {
    if (!this.keys.published.some(({ published }) => published.kid === kid)) {
      throw new Problem('certificate_key_not_found');
    }
    return this.lists.read(kid, async () => {
      const [row] = await this.certificates.query<[{ ctr: number; rids: string }]>(SHC_REVOKED, [
        kid,
        this.clock.date(),
      ]);
      return tagged(`{"kid":${JSON.stringify(kid)},"method":"rid","ctr":${row.ctr},"rids":${row.rids}}`);
    });
  }

  /** The revoked HC1 certificates of a key that have not expired. Throws `certificate_key_not_found`. */
  getHcertRevocations(kid: string): Promise<TaggedJson<HcertRevocationsDto>> {
    const key = this.keys.published.find(({ hcertKid }) => hcertKid.toString('base64url') === kid);
    if (!key) throw new Problem('certificate_key_not_found');
    const hcert_kid = key.hcertKid.toString('base64');
    return this.lists.read(kid, async () => {
      const values = [key.published.kid, hcert_kid, this.clock.date()];
      const [row] = await this.certificates.query<[{ expires: Date; entries: string }]>(HCERT_REVOKED, values);
      const head = JSON.stringify({
        country: this.config.CERTIFICATE_COUNTRY,
        expires: row.expires,
        kid: hcert_kid,
        hashType: 'UCI',
      });
      return tagged(`${head.slice(0, -1)},"entries":${row.entries}}`);
    });
  }
}

const tagged = <T>(text: string): TaggedJson<T> => ({ json: new JsonText(text), etag: etagOf(text) });
