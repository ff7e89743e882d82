import type { CapabilityStatement } from 'fhir/r4.js';
import { FHIR_PATH } from './fhir-codes.js';
import { FHIR_JSON } from './fhir-error.filter.js';

type SearchParam = [name: string, type: 'date' | 'reference' | 'token'];

const RESOURCES: Record<string, SearchParam[]> = {
  Patient: [
    ['_id', 'token'],
    ['identifier', 'token'],
  ],
  Immunization: [
    ['_id', 'token'],
    ['patient', 'reference'],
    ['date', 'date'],
    ['status', 'token'],
    ['vaccine-code', 'token'],
  ],
  ImmunizationRecommendation: [
    ['_id', 'token'],
    ['patient', 'reference'],
  ],
  Slot: [
    ['_id', 'token'],
    ['start', 'date'],
    ['status', 'token'],
    ['schedule', 'reference'],
    ['service-type', 'token'],
  ],
  Appointment: [
    ['_id', 'token'],
    ['patient', 'reference'],
    ['date', 'date'],
    ['status', 'token'],
  ],
};

interface Server {
  app: string;
  version: string;
  publicUrl: string;
}

const EVERYTHING = {
  name: 'everything',
  definition: 'http://hl7.org/fhir/OperationDefinition/Patient-everything',
};

/** What the FHIR routes can do. `date` is the day of the release that changed them last. */
export const capabilityStatement = ({ app, version, publicUrl }: Server): CapabilityStatement => ({
  resourceType: 'CapabilityStatement',
  status: 'active',
  date: '2026-11-28',
  publisher: app,
  kind: 'instance',
  software: { name: 'Machi', version },
  implementation: { description: `Vaccination records of ${app}`, url: `${publicUrl}${FHIR_PATH}` },
  fhirVersion: '4.0.1',
  format: [FHIR_JSON, 'json'],
  rest: [
    {
      mode: 'server',
      security: {
        description: 'A bearer token of Machi. People read their own records, the staff those that concern it.',
      },
      resource: Object.entries(RESOURCES).map(([type, params]) => ({
        type,
        interaction: [{ code: 'read' as const }, { code: 'search-type' as const }],
        searchParam: params.map(([name, kind]) => ({ name, type: kind })),
        ...(type === 'Patient' ? { operation: [EVERYTHING] } : {}),
      })),
    },
  ],
});
