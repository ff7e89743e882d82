import type { CodeableConcept, Coding, Identifier, Reference } from 'fhir/r4.js';
import type { Centre } from '../centres/centre.entity.js';
import type { IdType } from '../registrations/registration.entity.js';
import type { Vaccine } from '../vaccines/vaccine.entity.js';

export const FHIR_PATH = '/api/vaccination/fhir';

/** Ids of Machi, which are UUIDs (RFC 4122 as URI). */
const URI = 'urn:ietf:rfc:3986';

const HL7 = 'http://terminology.hl7.org/CodeSystem';

/** The system of a code that is part of HL7 Terminology. */
export const hl7 = (codeSystem: string, code: string): Coding => ({ system: `${HL7}/${codeSystem}`, code });

export const identifierOf = (id: string): Identifier => ({ system: URI, value: `urn:uuid:${id}` });

/** The number is not part of any resource. FHIR's way to say so is the extension data-absent-reason with the code `masked`. */
export const maskedIdentifier = (type: IdType): Identifier => ({
  use: 'official',
  type: { coding: [hl7('v2-0203', ID_TYPES[type])], text: type },
  _value: {
    extension: [{ url: 'http://hl7.org/fhir/StructureDefinition/data-absent-reason', valueCode: 'masked' }],
  },
});

/** Codes of HL7 v2 table 0203. */
const ID_TYPES: Record<IdType, string> = { NID: 'NI', BIRTH_REG: 'BCT', PASSPORT: 'PPN' };

/** CVX and ATC codes of a vaccine, and its name. */
export const vaccineCode = ({ name, cvx_code, who_code }: Vaccine): CodeableConcept => ({
  ...(cvx_code === null && who_code === null ? {} : { coding: vaccineCodings(cvx_code, who_code) }),
  text: name,
});

const vaccineCodings = (cvx: string | null, atc: string | null): Coding[] => [
  ...(cvx === null ? [] : [{ system: 'http://hl7.org/fhir/sid/cvx', code: cvx }]),
  ...(atc === null ? [] : [{ system: 'http://www.whocc.no/atc', code: atc }]),
];

export const diseaseCode = (disease: string): CodeableConcept => ({
  coding: [{ system: 'http://snomed.info/sct', code: disease }],
});

export const patientReference = (id: string): Reference => ({ reference: `Patient/${id}`, type: 'Patient' });

/** Centres are no resources here, so the reference is a logical one. */
export const centreReference = ({ id, name }: Pick<Centre, 'id' | 'name'>): Reference => ({
  type: 'Location',
  identifier: identifierOf(id),
  display: name,
});
