import { applyDecorators, Body, Controller, Get, HttpCode, Post, Query, Req, Res } from '@nestjs/common';
import { ApiBody, ApiCreatedResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { Request, Response } from 'express';
import { AcceptsBody } from '../../http/bodies/body.guard.js';
import { PageQueryDto } from '../../http/pagination.dto.js';
import { sendRepresentation } from '../../http/representation.js';
import { publicPath } from '../../http/log/request-context.js';
import { UuidParam } from '../../http/validation.js';
import { ApiProblems, Public, SignedIn } from '../../permissions/access.decorators.js';
import { RateLimit } from '../../rate-limit/rate-limit.decorator.js';
import { VERIFICATION_QUOTA } from '../../rate-limit/quotas.js';
import { type Caller, CurrentUser } from '../../users/caller.js';
import { CertificateFile } from './certificate-file.decorator.js';
import { CertificateFilesService } from './certificate-files.service.js';
import { CertificateVerificationService } from './certificate-verification.service.js';
import {
  CertificateDto,
  CertificateFileQueryDto,
  CertificatesPageDto,
  CreateCertificateDto,
  VerificationDto,
  VerifyCertificateDto,
} from './certificates.dto.js';
import { CertificatesService } from './certificates.service.js';

/** A route that sends a file of a certificate of the caller. */
const OwnCertificateFile = (type: string): MethodDecorator =>
  applyDecorators(
    SignedIn(),
    CertificateFile(type),
    ApiProblems('certificate_not_found', 'certificate_revoked', 'range_not_satisfiable', 'rate_limited'),
  );

/** Certificates of doses, and their verification. */
@ApiTags('vaccination')
@Controller('vaccination/certificates')
export class CertificatesController {
  constructor(
    private readonly certificates: CertificatesService,
    private readonly files: CertificateFilesService,
    private readonly verification: CertificateVerificationService,
  ) {}

  /**
   * Issues the certificate of a dose of the caller or of a dependant. Answers 200 with the existing one, unless it expires
   * within 30 days, a newer key signs, or the person's data was corrected since: then it is replaced and revoked.
   */
  @Post()
  @ApiOperation({ operationId: 'createCertificate' })
  @SignedIn()
  @ApiCreatedResponse({ type: CertificateDto })
  @ApiOkResponse({ type: CertificateDto })
  @ApiProblems('dose_not_found', 'registration_not_verified', 'certificates_unavailable')
  async create(
    @CurrentUser() caller: Caller,
    @Body() { dose_id }: CreateCertificateDto,
    @Res({ passthrough: true }) response: Response,
  ): Promise<CertificateDto> {
    const { certificate, isNew } = await this.certificates.getOrCreate(caller, dose_id);
    response.status(isNew ? 201 : 200).location(publicPath(`/api/vaccination/certificates/${certificate.id}`));
    return this.certificates.toDto(certificate);
  }

  /** Returns the certificates of the caller and of the caller's dependants, newest first. */
  @Get('me')
  @ApiOperation({ operationId: 'listMyCertificates' })
  @SignedIn()
  @ApiProblems('invalid_cursor')
  list(@CurrentUser() caller: Caller, @Query() query: PageQueryDto): Promise<CertificatesPageDto> {
    return this.certificates.list(caller, query);
  }

  /**
   * Verifies the text of a QR code, HC1 or SMART Health Card. Answers 200 to anything, also to bodies that are no JSON.
   */
  @Post('verify')
  @ApiOperation({ operationId: 'verifyCertificate' })
  @Public()
  @HttpCode(200)
  @AcceptsBody('any')
  @RateLimit(VERIFICATION_QUOTA)
  @ApiBody({ type: VerifyCertificateDto })
  @ApiOkResponse({ type: VerificationDto })
  @ApiProblems('database_unavailable')
  verify(@Req() { body }: Request): Promise<VerificationDto> {
    return this.verification.verify((body as { qr?: unknown } | undefined)?.qr);
  }

  /** Sends the QR code of a certificate as PNG. */
  @Get(':id.png')
  @ApiOperation({ operationId: 'getCertificatePng' })
  @OwnCertificateFile('image/png')
  async getPng(
    @CurrentUser() caller: Caller,
    @UuidParam('id') id: string,
    @Query() { form }: CertificateFileQueryDto,
    @Req() request: Request,
    @Res() response: Response,
  ): Promise<void> {
    await sendRepresentation(request, response, await this.files.get(caller, id, 'png', form));
  }

  /** Sends the QR code of a certificate as SVG. */
  @Get(':id.svg')
  @ApiOperation({ operationId: 'getCertificateSvg' })
  @OwnCertificateFile('image/svg+xml')
  async getSvg(
    @CurrentUser() caller: Caller,
    @UuidParam('id') id: string,
    @Query() { form }: CertificateFileQueryDto,
    @Req() request: Request,
    @Res() response: Response,
  ): Promise<void> {
    await sendRepresentation(request, response, await this.files.get(caller, id, 'svg', form));
  }

  /** Sends a certificate as a PDF to print, in English and Bengali, with both QR codes. */
  @Get(':id.pdf')
  @ApiOperation({ operationId: 'getCertificatePdf' })
  @OwnCertificateFile('application/pdf')
  async getPdf(
    @CurrentUser() caller: Caller,
    @UuidParam('id') id: string,
    @Req() request: Request,
    @Res() response: Response,
  ): Promise<void> {
    await sendRepresentation(request, response, await this.files.get(caller, id, 'pdf', 'hcert'));
  }

  /** Sends the SMART Health Card of a certificate as the file that phones import. */
  @Get(':id.smart-health-card')
  @ApiOperation({ operationId: 'getSmartHealthCard' })
  @OwnCertificateFile('application/smart-health-card')
  async getSmartHealthCard(
    @CurrentUser() caller: Caller,
    @UuidParam('id') id: string,
    @Req() request: Request,
    @Res() response: Response,
  ): Promise<void> {
    await sendRepresentation(request, response, await this.files.get(caller, id, 'smart-health-card', 'shc'));
  }

  /** Returns a certificate of the caller or of a dependant. */
  @Get(':id')
  @ApiOperation({ operationId: 'getCertificate' })
  @SignedIn()
  @ApiProblems('certificate_not_found')
  async get(@CurrentUser() caller: Caller, @UuidParam('id') id: string): Promise<CertificateDto> {
    return this.certificates.toDto(await this.certificates.get(caller, id));
  }
}
