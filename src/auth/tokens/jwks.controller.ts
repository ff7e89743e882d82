import { Controller, Get, Header } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { Public } from '../../permissions/access.decorators.js';
import { JwksDto } from './jwks.dto.js';
import { SigningKeys } from './signing-keys.provider.js';

/** Where a rotation may not be noticed for longer than this: docs/operations.md says to wait for it. */
const CACHE_SECONDS = 300;

/** Outside of `/api`, where verifiers look (RFC 8615). */
@ApiTags('sessions')
@Controller('.well-known')
export class JwksController {
  constructor(private readonly keyring: SigningKeys) {}

  /** The public keys that verify tokens; none where SECRET_KEY signs them. */
  @Get('jwks.json')
  @Public()
  @Header('cache-control', `public, max-age=${CACHE_SECONDS}`)
  list(): JwksDto {
    return { keys: this.keyring.published };
  }
}
