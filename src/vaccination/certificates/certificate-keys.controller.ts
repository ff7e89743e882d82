import { Controller, Get, Header, Param, Req, Res } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { Request, Response } from 'express';
import type { JsonText } from '../../http/json-text.js';
import { toTaggedBody } from '../../http/tagged-json.js';
import { ApiProblems, Public } from '../../permissions/access.decorators.js';
import { HcertRevocationsDto, ShcKeysDto, ShcRevocationsDto } from './certificate-keys.dto.js';
import { CertificateRevocationsService } from './certificate-revocations.service.js';

/** Verifiers may miss a key rotation or a revocation for this long. */
const CACHE = 'public, max-age=300';
const SHC = 'vaccination/certificates/shc/.well-known';

/**
 * What verifiers download. The SMART Health Cards framework names the paths below the issuer's URL and wants them readable by
 * web pages of all origins.
 */
@ApiTags('vaccination')
@Controller()
@Public()
export class CertificateKeysController {
  constructor(private readonly revocations: CertificateRevocationsService) {}

  /** Returns the revoked HC1 certificates of a key, which is named by its `kid` in base64url. */
  @Get('vaccination/certificates/hcert/revocations/:kid')
  @ApiOperation({ operationId: 'getHcertRevocations' })
  @ApiOkResponse({ type: HcertRevocationsDto })
  @ApiProblems('certificate_key_not_found', 'database_unavailable')
  @Header('cache-control', CACHE)
  @Header('access-control-allow-origin', '*')
  async getHcertRevocations(
    @Param('kid') kid: string,
    @Req() request: Request,
    @Res({ passthrough: true }) response: Response,
  ): Promise<JsonText<HcertRevocationsDto> | undefined> {
    return toTaggedBody(request, response, await this.revocations.getHcertRevocations(kid));
  }

  /** Returns the public keys that verify SMART Health Cards. */
  @Get(`${SHC}/jwks.json`)
  @ApiOperation({ operationId: 'getShcKeys' })
  @ApiProblems('database_unavailable')
  @Header('cache-control', CACHE)
  @Header('access-control-allow-origin', '*')
  listShcKeys(): Promise<ShcKeysDto> {
    return this.revocations.listShcKeys();
  }

  /** Returns the revoked SMART Health Cards of a key. */
  @Get(`${SHC}/crl/:kid.json`)
  @ApiOperation({ operationId: 'getShcRevocations' })
  @ApiOkResponse({ type: ShcRevocationsDto })
  @ApiProblems('certificate_key_not_found', 'database_unavailable')
  @Header('cache-control', CACHE)
  @Header('access-control-allow-origin', '*')
  async getShcRevocations(
    @Param('kid') kid: string,
    @Req() request: Request,
    @Res({ passthrough: true }) response: Response,
  ): Promise<JsonText<ShcRevocationsDto> | undefined> {
    return toTaggedBody(request, response, await this.revocations.getShcRevocations(kid));
  }
}
