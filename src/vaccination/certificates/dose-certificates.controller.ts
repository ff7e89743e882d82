import { Controller, Get, Query, Req, Res } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import type { Request, Response } from 'express';
import { sendRepresentation } from '../../http/representation.js';
import { UuidParam } from '../../http/validation.js';
import { ApiProblems, SignedIn } from '../../permissions/access.decorators.js';
import { type Caller, CurrentUser } from '../../users/caller.js';
import { ReadAsStaffQueryDto } from '../registrations/registrations.dto.js';
import { CertificateFile } from './certificate-file.decorator.js';
import { CertificateFilesService } from './certificate-files.service.js';

/** Certificates that the centre prints for people who cannot. */
@ApiTags('vaccination')
@Controller('vaccination/doses')
@SignedIn()
export class DoseCertificatesController {
  constructor(private readonly files: CertificateFilesService) {}

  /** Sends the certificate of a dose to the staff of the centre where it was given, as a PDF to print. Audited. */
  @Get(':id/certificate.pdf')
  @ApiOperation({ operationId: 'printCertificateOfDose' })
  @CertificateFile('application/pdf')
  @ApiProblems('dose_not_found', 'forbidden', 'certificate_not_found', 'range_not_satisfiable', 'rate_limited')
  async print(
    @CurrentUser() caller: Caller,
    @UuidParam('id') id: string,
    @Query() { reason }: ReadAsStaffQueryDto,
    @Req() request: Request,
    @Res() response: Response,
  ): Promise<void> {
    await sendRepresentation(request, response, await this.files.getOfDose(caller, id, reason));
  }
}
