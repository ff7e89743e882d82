import { Ajv } from 'ajv';
import formats from 'ajv-formats';

// What the JSON schemas of OPDS 2.0 (https://drafts.opds.io/schema/feed.schema.json and its parts) require.

const link = {
  type: 'object',
  required: ['href'],
  properties: { href: { type: 'string' }, type: { type: 'string' }, templated: { type: 'boolean' } },
  anyOf: [
    { required: ['templated'], properties: { templated: { const: true }, href: { format: 'uri-template' } } },
    { properties: { templated: { const: false }, href: { format: 'uri-reference' } } },
  ],
};

/** Links among which one has one of these relations. */
const linksWith = (...relations: string[]): object => ({
  type: 'array',
  items: link,
  contains: { required: ['rel'], properties: { rel: { enum: relations } } },
});

const metadata = {
  type: 'object',
  required: ['title'],
  properties: {
    title: { type: 'string' },
    identifier: { type: 'string', format: 'uri' },
    '@type': { type: 'string', format: 'uri' },
    modified: { type: 'string', format: 'date-time' },
    published: { type: 'string', format: 'date-time' },
    language: { type: 'string', pattern: '^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$' },
    numberOfPages: { type: 'integer', exclusiveMinimum: 0 },
  },
};

const publication = {
  type: 'object',
  required: ['metadata', 'links', 'images'],
  properties: {
    metadata,
    links: { allOf: [linksWith('self'), linksWith('http://opds-spec.org/acquisition/open-access')] },
    images: {
      type: 'array',
      minItems: 1,
      items: link,
      contains: { required: ['type'], properties: { type: { enum: ['image/jpeg', 'image/png', 'image/gif'] } } },
    },
  },
};

const feed = {
  type: 'object',
  required: ['metadata', 'links'],
  anyOf: [{ required: ['navigation'] }, { required: ['publications'] }],
  properties: {
    metadata,
    links: linksWith('self'),
    navigation: { type: 'array', items: { allOf: [link, { required: ['title'] }] } },
    publications: { type: 'array', items: publication },
  },
};

const ajv = new Ajv({ strict: false });
formats.default(ajv);

/** Whether a document is a catalogue of OPDS 2.0. */
export const isFeed = ajv.compile(feed);
/** Whether a document is a publication of OPDS 2.0. */
export const isPublication = ajv.compile(publication);
