import type { Bundle, FhirResource } from 'fhir/r4.js';
import { FHIR_PATH } from './fhir-codes.js';

interface Page {
  resources: FhirResource[];
  /** The cursor of the next page; null on the last one. */
  next: string | null;
}

/** A page of a search. `query` is what the client asked for, and `type` the resource, or the path of an operation. */
export function toBundle(publicUrl: string, path: string, query: object, { resources, next }: Page): Bundle {
  const base = `${publicUrl}${FHIR_PATH}`;
  const linkTo = (cursor?: string): string => {
    const search = new URLSearchParams();
    for (const [name, value] of Object.entries(query)) {
      if (name === '_cursor' || name === 'reason' || value === undefined) continue;
      const isDates = name === 'date' || name === 'start';
      for (const each of isDates ? (value as string[]) : [String(value)]) search.append(name, each);
    }
    if (cursor !== undefined) search.set('_cursor', cursor);
    return `${base}/${path}${search.size === 0 ? '' : `?${search.toString()}`}`;
  };
  return {
    resourceType: 'Bundle',
    type: 'searchset',
    link: [{ relation: 'self', url: linkTo() }, ...(next === null ? [] : [{ relation: 'next', url: linkTo(next) }])],
    ...(resources.length === 0 ? {} : { entry: resources.map((resource) => toEntry(base, resource)) }),
  };
}

const toEntry = (base: string, resource: FhirResource) => ({
  fullUrl: `${base}/${resource.resourceType}/${resource.id}`,
  resource,
  search: { mode: 'match' as const },
});
