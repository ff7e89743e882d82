/** What a certificate states about a person and a dose. */
export interface CertificateContent {
  uvci: string;
  family_name: string;
  /** Empty for a name of one word. */
  given_names: string;
  /** The name in the letters A to Z, as in the machine-readable zone of a passport. */
  latin_name: string;
  /** YYYY-MM-DD; empty if it is not known, as the DCC schema allows. */
  date_of_birth: string;
  /** SNOMED CT code. */
  disease: string;
  product: string;
  manufacturer: string;
  dose: number;
  doses: number;
  /** YYYY-MM-DD, in the time zone of the centre. */
  given_on: string;
  /** ISO 3166-1. */
  country: string;
  issuer: string;
  issued_at: Date;
  expires_at: Date;
}

/** A vaccine as the catalogue describes it. */
export interface VaccineDescription {
  disease: string;
  product: string;
  manufacturer: string;
  cvx_code: string | null;
  who_code: string | null;
}

/** What is signed: the content without what the signed forms derive from it. */
export interface CertificateFacts
  extends
    Omit<CertificateContent, 'disease' | 'product' | 'manufacturer' | 'family_name' | 'given_names' | 'latin_name'>,
    VaccineDescription {
  name: string;
  lot_number: string;
}
