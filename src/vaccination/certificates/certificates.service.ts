import { Injectable } from '@nestjs/common';
import { type EntityManager, IsNull } from 'typeorm';
import { Clock } from '../../common/clock.provider.js';
import { Certificate } from './certificate.entity.js';

/** The certificates of doses. */
@Injectable()
export class CertificatesService {
  constructor(private readonly clock: Clock) {}

  /** Revokes the certificate of a dose, if there is one. */
  async revokeForDose(manager: EntityManager, doseId: string): Promise<void> {
    await manager.update(Certificate, { dose_id: doseId, revoked_at: IsNull() }, { revoked_at: this.clock.date() });
  }
}
