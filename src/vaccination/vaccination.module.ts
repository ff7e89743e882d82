import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { AuditModule } from '../audit/audit.module.js';
import { NationalIdsModule } from '../national-ids/national-ids.module.js';
import { RateLimitModule } from '../rate-limit/rate-limit.module.js';
import { AppointmentChangesService } from './appointments/appointment-changes.service.js';
import { Appointment } from './appointments/appointment.entity.js';
import { CheckInCodesService } from './appointments/check-in-codes.service.js';
import { CheckInController } from './appointments/check-in.controller.js';
import { CheckInService } from './appointments/check-in.service.js';
import { AppointmentsController } from './appointments/appointments.controller.js';
import { AppointmentsService } from './appointments/appointments.service.js';
import { BookableSessionsService } from './appointments/bookable-sessions.service.js';
import { BookingsService } from './appointments/bookings.service.js';
import { Certificate } from './certificates/certificate.entity.js';
import { CertificateFilesService } from './certificates/certificate-files.service.js';
import { CertificateKeys } from './certificates/certificate-keys.provider.js';
import { CertificateKeysController } from './certificates/certificate-keys.controller.js';
import { CertificateRevocationsService } from './certificates/certificate-revocations.service.js';
import { CertificateVerificationService } from './certificates/certificate-verification.service.js';
import { CertificatesController } from './certificates/certificates.controller.js';
import { CertificatesService } from './certificates/certificates.service.js';
import { HcertKeysController } from './certificates/hcert-keys.controller.js';
import { BookingRequest } from './appointments/booking-request.entity.js';
import { BookingRequestsWorker } from './appointments/booking-requests.worker.js';
import { SessionCancellationsController } from './cancellations/session-cancellations.controller.js';
import { SessionCancellationsService } from './cancellations/session-cancellations.service.js';
import { Centre } from './centres/centre.entity.js';
import { CentreStaffMember } from './centres/centre-staff-member.entity.js';
import { CentreStaffService } from './centres/centre-staff.service.js';
import { CentresController } from './centres/centres.controller.js';
import { CentresService } from './centres/centres.service.js';
import { Dose } from './doses/dose.entity.js';
import { DosesService } from './doses/doses.service.js';
import { EligibilityController } from './eligibility/eligibility.controller.js';
import { EligibilityService } from './eligibility/eligibility.service.js';
import { PeopleService } from './eligibility/people.service.js';
import { FhirController } from './fhir/fhir.controller.js';
import { FhirService } from './fhir/fhir.service.js';
import { Lot } from './lots/lot.entity.js';
import { LotsController } from './lots/lots.controller.js';
import { LotsService } from './lots/lots.service.js';
import { DoseRecordingService } from './recording/dose-recording.service.js';
import { DosesController } from './recording/doses.controller.js';
import { Registration } from './registrations/registration.entity.js';
import { MessagesModule } from './messages/messages.module.js';
import { ReportsModule } from './reports/reports.module.js';
import { RegistrationIdsService } from './registrations/registration-ids.service.js';
import { RegistrationOverviewsService } from './registrations/registration-overviews.service.js';
import { PersonalDataController } from './personal-data/personal-data.controller.js';
import { PersonalDataService } from './personal-data/personal-data.service.js';
import { UsersModule } from '../users/users.module.js';
import { RegistrationKeysService } from './registrations/registration-keys.service.js';
import { RegistrationReviewsService } from './registrations/registration-reviews.service.js';
import { RegistrationsController } from './registrations/registrations.controller.js';
import { RegistrationsService } from './registrations/registrations.service.js';
import { SessionSearchService } from './sessions/session-search.service.js';
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

/** Vaccination drives: the catalogue of vaccines, the centres with their staff and stock, and their sessions. */
@Module({
  imports: [
    TypeOrmModule.forFeature([
      Vaccine,
      Centre,
      CentreStaffMember,
      Lot,
      VaccinationSession,
      Registration,
      Appointment,
      Dose,
      Certificate,
      BookingRequest,
      WaitlistEntry,
    ]),
    AuditModule,
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
    VaccinationSessionsController,
    RegistrationsController,
    PersonalDataController,
    EligibilityController,
    CheckInController,
    DosesController,
    AppointmentsController,
    CertificateKeysController,
    CertificatesController,
    HcertKeysController,
    WaitlistController,
    SessionCancellationsController,
  ],
  providers: [
    FhirService,
    VaccinesService,
    CentresService,
    CentreStaffService,
    LotsService,
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
    BookingRequestsWorker,
    WaitlistService,
    PromotionsService,
    WaitlistWorker,
    SessionCancellationsService,
    RegistrationsService,
    RegistrationReviewsService,
    RegistrationIdsService,
    RegistrationKeysService,
    DoseRecordingService,
    CertificateKeys,
    CertificatesService,
    PersonalDataService,
    RegistrationOverviewsService,
    CertificateFilesService,
    CertificateVerificationService,
    CertificateRevocationsService,
  ],
  exports: [RegistrationsService, RegistrationReviewsService, RegistrationOverviewsService, VaccinesService],
})
export class VaccinationModule {}
