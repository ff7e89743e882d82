import { Injectable } from '@nestjs/common';
import { Problem } from '../../http/problems/problem.js';
import type { Representation } from '../../http/representation.js';
import { QuotasService } from '../../rate-limit/quotas.service.js';
import { CERTIFICATE_FILE_QUOTA } from '../../rate-limit/quotas.js';
import type { Caller } from '../../users/caller.js';
import { type CertificateForm, toPng, toSvg } from './formats/certificate-qr.js';
import type { Certificate } from './certificate.entity.js';
import { CertificatesService } from './certificates.service.js';
import { readHcert } from './formats/hcert.js';
import { toJws } from './formats/shc.js';

type FileType = 'png' | 'svg' | 'pdf' | 'smart-health-card';

interface FileFormat {
  type: string;
  make: (certificate: Certificate, form: CertificateForm) => Promise<Buffer> | Buffer;
}

const FORMATS: Record<FileType, FileFormat> = {
  png: { type: 'image/png', make: (certificate, form) => toPng(form, certificate[form]) },
  svg: { type: 'image/svg+xml', make: (certificate, form) => toSvg(form, certificate[form]) },
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
    private readonly certificates: CertificatesService,
    private readonly quotas: QuotasService,
  ) {}

  /**
   * A file of a certificate of the caller. Throws `certificate_not_found`, `certificate_revoked`, and when it is read
   * `rate_limited`.
   */
  async get(caller: Caller, id: string, fileType: FileType, form: CertificateForm): Promise<Representation> {
    const certificate = await this.certificates.get(caller, id);
    if (certificate.revoked_at) throw new Problem('certificate_revoked');
    const { type, make } = FORMATS[fileType];
    return {
      headers: {
        'content-type': type,
        'cache-control': 'private, no-cache',
        'content-disposition': `inline; filename="vaccination-certificate.${fileType}"`,
      },
      etag: `"${id}.${form}.${fileType}"`,
      read: async () => {
        await this.quotas.consume(CERTIFICATE_FILE_QUOTA, caller.id);
        return make(certificate, form);
      },
    };
  }
}
