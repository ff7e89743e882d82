/** Body sites: codes of HL7 v3 ActSite, http://terminology.hl7.org/CodeSystem/v3-ActSite. */
export const DOSE_SITES = {
  LA: 'left arm',
  RA: 'right arm',
  LD: 'left deltoid',
  RD: 'right deltoid',
  LT: 'left thigh',
  RT: 'right thigh',
  LVL: 'left vastus lateralis',
  RVL: 'right vastus lateralis',
  LG: 'left gluteus medius',
  RG: 'right gluteus medius',
} as const;
export type DoseSite = keyof typeof DOSE_SITES;

/**
 * Routes: codes of HL7 v3 RouteOfAdministration, http://terminology.hl7.org/CodeSystem/v3-RouteOfAdministration, as the
 * value set `immunization-route` of FHIR R4 lists them.
 */
export const DOSE_ROUTES = {
  IM: 'injection, intramuscular',
  SQ: 'injection, subcutaneous',
  IDINJ: 'injection, intradermal',
  IVINJ: 'injection, intravenous',
  TRNSDERM: 'transdermal',
  PO: 'swallow, oral',
  NASINHLC: 'inhalation, nasal cannula',
} as const;
export type DoseRoute = keyof typeof DOSE_ROUTES;

/** Routes for which no body site is recorded. */
export const ROUTES_WITHOUT_SITE: readonly DoseRoute[] = ['PO', 'NASINHLC'];
