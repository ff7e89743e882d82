import { Controller, Delete, Get } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import { UuidParam } from '../../http/validation.js';
import { ApiProblems, SignedIn } from '../../permissions/access.decorators.js';
import { type Caller, CurrentUser } from '../../users/caller.js';
import { PersonalDataDeletionDto, PersonalDataExportDto } from './personal-data.dto.js';
import { PersonalDataService } from './personal-data.service.js';

@ApiTags('vaccination')
@Controller('vaccination/registrations')
@SignedIn()
export class PersonalDataController {
  constructor(private readonly personalData: PersonalDataService) {}

  /** Returns everything that is stored about an own registration: appointments, doses, certificates, and who read it. */
  @Get(':id/export')
  @ApiOperation({ operationId: 'exportRegistration' })
  @ApiProblems('registration_not_found')
  export(@CurrentUser() caller: Caller, @UuidParam('id') id: string): Promise<PersonalDataExportDto> {
    return this.personalData.export(caller, id);
  }

  /** Deletes an own registration and cancels its appointments. Records of doses are kept, without a link to the account. */
  @Delete(':id')
  @ApiOperation({ operationId: 'deleteRegistration' })
  @ApiProblems('registration_not_found')
  remove(@CurrentUser() caller: Caller, @UuidParam('id') id: string): Promise<PersonalDataDeletionDto> {
    return this.personalData.remove(caller, id);
  }
}
