import type { VaccineDescription } from './certificate-content.js';

interface Coded {
  /** Vaccine or prophylaxis. */
  vp: string;
  /** Medicinal product, and its marketing authorisation holder or manufacturer. */
  mp: string;
  ma: string;
  product: string;
  manufacturer: string;
}

const coded = (vp: string, mp: string, ma: string, product = mp, manufacturer = ma): Coded => ({
  vp,
  mp,
  ma,
  product,
  manufacturer,
});

const MRNA = '1119349007';
const ANTIGEN = '1119305005';
/** ATC code of COVID-19 vaccines in the value sets; the ATC index has moved them to J07BN since. */
const COVID_19_VACCINES = 'J07BX03';

/** Value sets of the EU Digital COVID Certificate (eHealth Network), by the CVX code of the vaccine. */
const BY_CVX: Readonly<Record<string, Coded>> = {
  207: coded(MRNA, 'EU/1/20/1507', 'ORG-100031184', 'Spikevax', 'Moderna Biotech Spain S.L.'),
  208: coded(MRNA, 'EU/1/20/1528', 'ORG-100030215', 'Comirnaty', 'Biontech Manufacturing GmbH'),
  210: coded(COVID_19_VACCINES, 'EU/1/21/1529', 'ORG-100001699', 'Vaxzevria', 'AstraZeneca AB'),
  211: coded(ANTIGEN, 'EU/1/21/1618', 'ORG-100032020', 'Nuvaxovid', 'Novavax CZ a.s.'),
  212: coded(COVID_19_VACCINES, 'EU/1/20/1525', 'ORG-100001417', 'Jcovden', 'Janssen-Cilag International'),
  502: coded(COVID_19_VACCINES, 'Covaxin', 'Bharat-Biotech', 'Covaxin', 'Bharat Biotech'),
  510: coded(COVID_19_VACCINES, 'BBIBP-CorV', 'ORG-100020693', 'BBIBP-CorV', 'China Sinopharm International Corp.'),
  511: coded(COVID_19_VACCINES, 'CoronaVac', 'Sinovac-Biotech', 'CoronaVac', 'Sinovac Biotech'),
};

/** SNOMED CT code. */
export const COVID_19 = '840539006';

const MAX_LENGTH = 80;

/** The codes of a vaccine in the value sets, or, for other vaccines, its ATC code and its names in the catalogue. */
export function codesOf(vaccine: VaccineDescription): Pick<Coded, 'vp' | 'mp' | 'ma'> {
  const known = vaccine.cvx_code === null ? undefined : BY_CVX[vaccine.cvx_code];
  if (known) return { vp: known.vp, mp: known.mp, ma: known.ma };
  const [mp, ma] = [vaccine.product.slice(0, MAX_LENGTH), vaccine.manufacturer.slice(0, MAX_LENGTH)];
  return { vp: vaccine.who_code ?? (vaccine.disease === COVID_19 ? COVID_19_VACCINES : mp), mp, ma };
}

/** The names of a product and its manufacturer for readers. */
export function namesOf({ mp, ma }: { mp: string; ma: string }): { product: string; manufacturer: string } {
  const known = Object.values(BY_CVX).find((one) => one.mp === mp && one.ma === ma);
  return { product: known?.product ?? mp, manufacturer: known?.manufacturer ?? ma };
}
