import { Controller, Get, Header } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import { Public } from '../../permissions/access.decorators.js';
import { JwksDto } from './jwks.dto.js';
import { SigningKeys } from './signing-keys.provider.js';

/** Verifiers may miss a key rotation for this long; docs/operations.md tells operators to wait. */
const CACHE_SECONDS = 300;

/** Outside `/api`, at the well-known path (RFC 8615). */
@ApiTags('sessions')
@Controller('.well-known')
export class JwksController {
  constructor(private readonly keyring: SigningKeys) {}

  /** Returns the public keys that verify tokens; none if SECRET_KEY signs them. */
  @Get('jwks.json')
  @ApiOperation({ operationId: 'getSigningKeys' })
  @Public()
  @Header('cache-control', `public, max-age=${CACHE_SECONDS}`)
  list(): JwksDto {
    return { keys: this.keyring.published };
  }
}
