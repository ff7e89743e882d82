import { Injectable } from '@nestjs/common';
import { InjectEntityManager } from '@nestjs/typeorm';
import type { EntityManager } from 'typeorm';
import { Problem } from '../../http/problems/problem.js';
import type { Representation } from '../../http/representation.js';
import { QuotasService } from '../../rate-limit/quotas.service.js';
import { CERTIFICATE_FILE_QUOTA } from '../../rate-limit/quotas.js';
import type { Caller } from '../../users/caller.js';
import { CentreStaffService } from '../centres/centre-staff.service.js';
import { STAFF_ROLES } from '../centres/centre-staff-member.entity.js';
import { DosesService } from '../doses/doses.service.js';
import { RegistrationReviewsService } from '../registrations/registration-reviews.service.js';
import type { CertificateForm } from './formats/certificate-qr.js';
import type { Certificate } from './certificate.entity.js';
import { CertificatesService } from './certificates.service.js';
import { readHcert } from './formats/hcert.js';
import { toJws } from './formats/shc.js';

type FileType = 'png' | 'svg' | 'pdf' | 'smart-health-card';

interface FileFormat {
  type: string;
  make: (certificate: Certificate, form: CertificateForm) => Promise<Buffer> | Buffer;
}

/** Loaded by the first file and not by the start. */
const qrCodes = () => import('./formats/certificate-qr.js');

const FORMATS: Record<FileType, FileFormat> = {
  png: { type: 'image/png', make: async (certificate, form) => (await qrCodes()).toPng(form, certificate[form]) },
  svg: { type: 'image/svg+xml', make: async (certificate, form) => (await qrCodes()).toSvg(form, certificate[form]) },
  pdf: {
    type: 'application/pdf',
    make: async ({ hcert, shc }) => {
      const { toPdf } = await import('./formats/certificate-pdf.js'); // 30 MB that most processes do not need
      return toPdf(readHcert(hcert)!.toContent(), { hcert, shc });
    },
  },
  'smart-health-card': {
    type: 'application/smart-health-card',
    make: ({ shc }) => Buffer.from(JSON.stringify({ verifiableCredential: [toJws(shc)] })),
  },
};

/** Certificates as files to show, print and import. */
@Injectable()
export class CertificateFilesService {
  constructor(
    @InjectEntityManager() private readonly manager: EntityManager,
    private readonly certificates: CertificatesService,
    private readonly doses: DosesService,
    private readonly staff: CentreStaffService,
    private readonly reviews: RegistrationReviewsService,
    private readonly quotas: QuotasService,
  ) {}

  /**
   * A file of a certificate of the caller. Throws `certificate_not_found`, `certificate_revoked`, and when it is read
   * `rate_limited`.
   */
  async get(caller: Caller, id: string, fileType: FileType, form: CertificateForm): Promise<Representation> {
    const certificate = await this.certificates.get(caller, id);
    if (certificate.revoked_at) throw new Problem('certificate_revoked');
    return this.toFile(caller, certificate, fileType, form);
  }

  /**
   * The certificate of a dose as a PDF, for the staff of the centre where it was given. The person's record is read with the
   * reason. Throws `dose_not_found`, `forbidden`, `certificate_not_found`, and when it is read `rate_limited`.
   */
  async getOfDose(caller: Caller, doseId: string, reason: string): Promise<Representation> {
    const { centre_id, registration_id } = await this.doses.get(doseId);
    await this.staff.assertStaff(caller, centre_id, ...STAFF_ROLES);
    const certificate = await this.certificates.getOfDose(doseId);
    await this.reviews.recordReads(this.manager, caller, [registration_id], reason);
    return this.toFile(caller, certificate, 'pdf', 'hcert');
  }

  private toFile(caller: Caller, certificate: Certificate, fileType: FileType, form: CertificateForm): Representation {
    const { type, make } = FORMATS[fileType];
    return {
      headers: {
        'content-type': type,
        'cache-control': 'private, no-cache',
        'content-disposition': `inline; filename="vaccination-certificate.${fileType}"`,
      },
      etag: `"${certificate.id}.${form}.${fileType}"`,
      read: async () => {
        await this.quotas.consume(CERTIFICATE_FILE_QUOTA, caller.id);
        return make(certificate, form);
      },
    };
  }
}
