import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { AuditModule } from '../audit/audit.module.js';
import { MailModule } from '../mail/mail.module.js';
import { NationalIdsModule } from '../national-ids/national-ids.module.js';
import { RateLimitModule } from '../rate-limit/rate-limit.module.js';
import { AdverseEvent } from './adverse-events/adverse-event.entity.js';
import { AdverseEventsController } from './adverse-events/adverse-events.controller.js';
import { AdverseEventsService } from './adverse-events/adverse-events.service.js';
import { AppointmentChangesService } from './appointments/appointment-changes.service.js';
import { Appointment } from './appointments/appointment.entity.js';
import { CheckInCodesService } from './appointments/check-in-codes.service.js';
import { CheckInController } from './appointments/check-in.controller.js';
import { CheckInService } from './appointments/check-in.service.js';
import { AppointmentsController } from './appointments/appointments.controller.js';
import { AppointmentsService } from './appointments/appointments.service.js';
import { BookableSessionsService } from './appointments/bookable-sessions.service.js';
import { BookingsService } from './appointments/bookings.service.js';
import { OwnAppointmentsService } from './appointments/own-appointments.service.js';
import { Certificate } from './certificates/certificate.entity.js';
import { CertificateFilesService } from './certificates/certificate-files.service.js';
import { CertificateKeys } from './certificates/certificate-keys.provider.js';
import { CertificateKeysController } from './certificates/certificate-keys.controller.js';
import { CertificateRevocationsService } from './certificates/certificate-revocations.service.js';
import { CertificateVerificationService } from './certificates/certificate-verification.service.js';
import { CertificatesController } from './certificates/certificates.controller.js';
import { DoseCertificatesController } from './certificates/dose-certificates.controller.js';
import { CertificatesService } from './certificates/certificates.service.js';
import { HcertKeysController } from './certificates/hcert-keys.controller.js';
import { BookingRequestsWorker } from './appointments/booking-requests.worker.js';
import { SessionCancellationsController } from './cancellations/session-cancellations.controller.js';
import { SessionCancellationsService } from './cancellations/session-cancellations.service.js';
import { Centre } from './centres/centre.entity.js';
import { CentreStaffMember } from './centres/centre-staff-member.entity.js';
import { CentreStaffService } from './centres/centre-staff.service.js';
import { CentresController } from './centres/centres.controller.js';
import { CentresService } from './centres/centres.service.js';
import { DaySheetsController } from './day-sheets/day-sheets.controller.js';
import { DaySheetsService } from './day-sheets/day-sheets.service.js';
import { Dose } from './doses/dose.entity.js';
import { DosesService } from './doses/doses.service.js';
import { EligibilityController } from './eligibility/eligibility.controller.js';
import { EligibilityService } from './eligibility/eligibility.service.js';
import { PeopleService } from './eligibility/people.service.js';
import { FhirController } from './fhir/fhir.controller.js';
import { FhirService } from './fhir/fhir.service.js';
import { CentreImportsService } from './imports/centre-imports.service.js';
import { ImportsController } from './imports/imports.controller.js';
import { ImportsService } from './imports/imports.service.js';
import { LotImportsService } from './imports/lot-imports.service.js';
import { ReferencesService } from './imports/references.service.js';
import { SessionImportsService } from './imports/session-imports.service.js';
import { StaffImportsService } from './imports/staff-imports.service.js';
import { TableExportsService } from './imports/table-exports.service.js';
import { Lot } from './lots/lot.entity.js';
import { LotRecallsController } from './lots/lot-recalls.controller.js';
import { LotRecallsService } from './lots/lot-recalls.service.js';
import { LotsController } from './lots/lots.controller.js';
import { LotsService } from './lots/lots.service.js';
import { DoseRecordingService } from './recording/dose-recording.service.js';
import { DosesController } from './recording/doses.controller.js';
import { Registration } from './registrations/registration.entity.js';
import { MessagesModule } from './messages/messages.module.js';
import { ReportsModule } from './reports/reports.module.js';
import { Recall } from './lots/recall.entity.js';
import { RecallsController } from './recalls/recalls.controller.js';
import { RecallsService } from './recalls/recalls.service.js';
import { RegistrationIdsService } from './registrations/registration-ids.service.js';
import { RegistrationOverviewsService } from './registrations/registration-overviews.service.js';
import { KeptRecordsService } from './registrations/kept-records.service.js';
import { PersonalDataController } from './personal-data/personal-data.controller.js';
import { PersonalDataService } from './personal-data/personal-data.service.js';
import { UsersModule } from '../users/users.module.js';
import { RegistrationKeysService } from './registrations/registration-keys.service.js';
import { RegistrationReviewsService } from './registrations/registration-reviews.service.js';
import { RegistrationsController } from './registrations/registrations.controller.js';
import { RegistrationsService } from './registrations/registrations.service.js';
import { SessionSearchService } from './sessions/session-search.service.js';
import { VaccinationPersonalDataService } from './vaccination-personal-data.service.js';
import { VaccinationSession } from './sessions/vaccination-session.entity.js';
import { VaccinationSessionsController } from './sessions/vaccination-sessions.controller.js';
import { VaccinationSessionsService } from './sessions/vaccination-sessions.service.js';
import { Vaccine } from './vaccines/vaccine.entity.js';
import { VaccinesController } from './vaccines/vaccines.controller.js';
import { VaccinesService } from './vaccines/vaccines.service.js';
import { PromotionsService } from './waitlist/promotions.service.js';
import { WaitlistController } from './waitlist/waitlist.controller.js';
import { WaitlistEntry } from './waitlist/waitlist-entry.entity.js';
import { WaitlistService } from './waitlist/waitlist.service.js';
import { WaitlistWorker } from './waitlist/waitlist.worker.js';
import { WalkInsController } from './walk-ins/walk-ins.controller.js';
import { WalkInsService } from './walk-ins/walk-ins.service.js';

/** Vaccination drives: the catalogue of vaccines, the centres with their staff and stock, and their sessions. */
@Module({
  imports: [
    TypeOrmModule.forFeature([
      Vaccine,
      Centre,
      CentreStaffMember,
      Lot,
      Recall,
      VaccinationSession,
      Registration,
      Appointment,
      Dose,
      AdverseEvent,
      Certificate,
      WaitlistEntry,
    ]),
    AuditModule,
    MailModule,
    ReportsModule,
    NationalIdsModule,
    UsersModule,
    RateLimitModule,
    MessagesModule,
  ],
  controllers: [
    FhirController,
    VaccinesController,
    CentresController,
    LotsController,
    LotRecallsController,
    RecallsController,
    VaccinationSessionsController,
    RegistrationsController,
    PersonalDataController,
    EligibilityController,
    CheckInController,
    DosesController,
    AdverseEventsController,
    AppointmentsController,
    CertificateKeysController,
    CertificatesController,
    DoseCertificatesController,
    HcertKeysController,
    WaitlistController,
    WalkInsController,
    DaySheetsController,
    SessionCancellationsController,
    ImportsController,
  ],
  providers: [
    FhirService,
    VaccinesService,
    CentresService,
    CentreStaffService,
    LotsService,
    LotRecallsService,
    RecallsService,
    VaccinationSessionsService,
    SessionSearchService,
    CheckInCodesService,
    CheckInService,
    DosesService,
    PeopleService,
    EligibilityService,
    AppointmentChangesService,
    BookableSessionsService,
    BookingsService,
    AppointmentsService,
    OwnAppointmentsService,
    BookingRequestsWorker,
    WaitlistService,
    PromotionsService,
    WaitlistWorker,
    WalkInsService,
    DaySheetsService,
    SessionCancellationsService,
    RegistrationsService,
    RegistrationReviewsService,
    RegistrationIdsService,
    RegistrationKeysService,
    DoseRecordingService,
    AdverseEventsService,
    CertificateKeys,
    CertificatesService,
    PersonalDataService,
    VaccinationPersonalDataService,
    KeptRecordsService,
    RegistrationOverviewsService,
    CertificateFilesService,
    CertificateVerificationService,
    CertificateRevocationsService,
    ReferencesService,
    CentreImportsService,
    StaffImportsService,
    LotImportsService,
    SessionImportsService,
    ImportsService,
    TableExportsService,
  ],
  exports: [RegistrationsService, RegistrationReviewsService, RegistrationOverviewsService, VaccinesService],
})
export class VaccinationModule {}
