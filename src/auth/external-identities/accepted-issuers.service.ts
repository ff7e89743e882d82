import { Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { In, Not, Repository } from 'typeorm';
import { AcceptedIssuer } from './accepted-issuer.entity.js';
import { IdentityProvider } from './identity-provider.js';

/** Stores the configured issuers, so that the database can tell which identities can sign in. */
@Injectable()
export class AcceptedIssuersService implements OnApplicationBootstrap {
  constructor(
    @InjectRepository(AcceptedIssuer) private readonly issuers: Repository<AcceptedIssuer>,
    private readonly provider: IdentityProvider,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    const configured = this.provider.issuers;
    await this.issuers.manager.transaction(async (manager) => {
      const stored = (await manager.find(AcceptedIssuer)).map(({ issuer }) => issuer);
      const added = configured.filter((issuer) => !stored.includes(issuer));
      const isOutdated = stored.some((issuer) => !configured.includes(issuer));
      if (isOutdated) await manager.delete(AcceptedIssuer, { issuer: Not(In(configured)) });
      const rows = added.map((issuer) => ({ issuer }));
      if (rows.length > 0) await manager.upsert(AcceptedIssuer, rows, ['issuer']);
    });
  }
}
