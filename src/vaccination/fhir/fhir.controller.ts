import { applyDecorators, Controller, Get, Header, Query, UseFilters } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type {
  Appointment,
  Bundle,
  CapabilityStatement,
  Immunization,
  ImmunizationRecommendation,
  Patient,
  Slot,
} from 'fhir/r4.js';
import { VERSION } from '../../common/version.js';
import { Config } from '../../config/config.js';
import { UuidParam } from '../../http/validation.js';
import { Public, SignedIn } from '../../permissions/access.decorators.js';
import { type Caller, CurrentUser } from '../../users/caller.js';
import { capabilityStatement } from './capability-statement.js';
import { toBundle } from './fhir-bundle.js';
import { ApiFhirErrors, FHIR_JSON, FhirErrorFilter } from './fhir-error.filter.js';
import {
  FhirAppointmentSearchDto,
  FhirImmunizationSearchDto,
  FhirPatientSearchDto,
  FhirReadQueryDto,
  FhirRecommendationSearchDto,
  FhirSlotSearchDto,
} from './fhir-search.dto.js';
import { FhirService } from './fhir.service.js';

/** The official definitions of FHIR describe the rest. */
const RESOURCE = {
  type: 'object',
  required: ['resourceType'],
  properties: { resourceType: { type: 'string', example: 'Patient' } },
  additionalProperties: true,
};

/** A route that answers one resource. */
const FhirRoute = (path: string, operationId: string): MethodDecorator =>
  applyDecorators(
    Get(path),
    Header('Content-Type', `${FHIR_JSON}; charset=utf-8`),
    ApiOperation({ operationId }),
    ApiOkResponse({
      description: 'A FHIR R4 resource.',
      content: { [FHIR_JSON]: { schema: RESOURCE } },
    }),
    ApiFhirErrors(),
  );

/** Vaccination records as FHIR R4, to read. Errors are OperationOutcomes. */
@ApiTags('vaccination')
@Controller('vaccination/fhir')
@UseFilters(FhirErrorFilter)
export class FhirController {
  constructor(
    private readonly fhir: FhirService,
    private readonly config: Config,
  ) {}

  /** Returns the CapabilityStatement. */
  @FhirRoute('metadata', 'getFhirMetadata')
  @Public()
  getMetadata(): CapabilityStatement {
    const { APP_NAME: app, publicUrl } = this.config;
    return capabilityStatement({ app, version: VERSION, publicUrl });
  }

  /** Searches patients. */
  @FhirRoute('Patient', 'searchFhirPatients')
  @SignedIn()
  async searchPatients(@CurrentUser() caller: Caller, @Query() query: FhirPatientSearchDto): Promise<Bundle> {
    return this.bundle('Patient', query, await this.fhir.searchPatients(caller, query));
  }

  /** Returns a patient: a registered person. */
  @FhirRoute('Patient/:id', 'getFhirPatient')
  @SignedIn()
  getPatient(
    @CurrentUser() caller: Caller,
    @UuidParam('id') id: string,
    @Query() { reason }: FhirReadQueryDto,
  ): Promise<Patient> {
    return this.fhir.getPatient(caller, id, reason);
  }

  /** Returns all resources of a patient. */
  @FhirRoute('Patient/:id/$everything', 'getFhirPatientEverything')
  @SignedIn()
  async getEverything(
    @CurrentUser() caller: Caller,
    @UuidParam('id') id: string,
    @Query() query: FhirReadQueryDto,
  ): Promise<Bundle> {
    const page = await this.fhir.everything(caller, id, query.reason);
    return this.bundle(`Patient/${id}/$everything`, query, page);
  }

  /** Searches immunizations. */
  @FhirRoute('Immunization', 'searchFhirImmunizations')
  @SignedIn()
  async searchImmunizations(@CurrentUser() caller: Caller, @Query() query: FhirImmunizationSearchDto): Promise<Bundle> {
    return this.bundle('Immunization', query, await this.fhir.searchImmunizations(caller, query));
  }

  /** Returns an immunization: a given dose. */
  @FhirRoute('Immunization/:id', 'getFhirImmunization')
  @SignedIn()
  getImmunization(
    @CurrentUser() caller: Caller,
    @UuidParam('id') id: string,
    @Query() { reason }: FhirReadQueryDto,
  ): Promise<Immunization> {
    return this.fhir.getImmunization(caller, id, reason);
  }

  /** Searches recommendations. */
  @FhirRoute('ImmunizationRecommendation', 'searchFhirRecommendations')
  @SignedIn()
  async searchRecommendations(
    @CurrentUser() caller: Caller,
    @Query() query: FhirRecommendationSearchDto,
  ): Promise<Bundle> {
    return this.bundle('ImmunizationRecommendation', query, await this.fhir.searchRecommendations(caller, query));
  }

  /** Returns the recommendation for a patient, under the id of the patient. */
  @FhirRoute('ImmunizationRecommendation/:id', 'getFhirRecommendation')
  @SignedIn()
  getRecommendation(
    @CurrentUser() caller: Caller,
    @UuidParam('id') id: string,
    @Query() { reason }: FhirReadQueryDto,
  ): Promise<ImmunizationRecommendation> {
    return this.fhir.getRecommendation(caller, id, reason);
  }

  /** Searches slots. */
  @FhirRoute('Slot', 'searchFhirSlots')
  @SignedIn()
  async searchSlots(@Query() query: FhirSlotSearchDto): Promise<Bundle> {
    return this.bundle('Slot', query, await this.fhir.searchSlots(query));
  }

  /** Returns a slot: a session. */
  @FhirRoute('Slot/:id', 'getFhirSlot')
  @SignedIn()
  getSlot(@CurrentUser() caller: Caller, @UuidParam('id') id: string): Promise<Slot> {
    return this.fhir.getSlot(caller, id);
  }

  /** Searches appointments. */
  @FhirRoute('Appointment', 'searchFhirAppointments')
  @SignedIn()
  async searchAppointments(@CurrentUser() caller: Caller, @Query() query: FhirAppointmentSearchDto): Promise<Bundle> {
    return this.bundle('Appointment', query, await this.fhir.searchAppointments(caller, query));
  }

  /** Returns an appointment. */
  @FhirRoute('Appointment/:id', 'getFhirAppointment')
  @SignedIn()
  getAppointment(
    @CurrentUser() caller: Caller,
    @UuidParam('id') id: string,
    @Query() { reason }: FhirReadQueryDto,
  ): Promise<Appointment> {
    return this.fhir.getAppointment(caller, id, reason);
  }

  private bundle(path: string, query: object, page: Parameters<typeof toBundle>[3]): Bundle {
    return toBundle(this.config.publicUrl, path, query, page);
  }
}
