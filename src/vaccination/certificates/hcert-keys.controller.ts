import { Controller, Get, Header } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import { Public } from '../../permissions/access.decorators.js';
import { HcertKeysDto } from './certificate-keys.dto.js';
import { CertificateRevocationsService } from './certificate-revocations.service.js';

/** Outside `/api`, at the well-known path (RFC 8615). */
@ApiTags('vaccination')
@Controller('.well-known')
export class HcertKeysController {
  constructor(private readonly revocations: CertificateRevocationsService) {}

  /** Returns the public keys that verify HC1 certificates. */
  @Get('hcert-keys.json')
  @ApiOperation({ operationId: 'getHcertKeys' })
  @Public()
  @Header('cache-control', 'public, max-age=300')
  @Header('access-control-allow-origin', '*')
  list(): HcertKeysDto {
    return this.revocations.listHcertKeys();
  }
}
