import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PROBLEMS } from '../../src/http/problems/problem-catalogue.js';
import { packageRoot } from '../../src/common/version.js';
import { startApp, type TestApp } from '../support/app.js';
import { routesOf } from '../support/api/routes.js';

let t: TestApp;
beforeAll(async () => {
  t = await startApp();
});
afterAll(() => t.stop());

interface Operation {
  operationId: string;
  summary?: string;
  description?: string;
  tags?: string[];
  security?: unknown[];
  'x-permissions'?: string[];
  'x-own-errors'?: boolean;
  parameters?: { name: string; in: string; required?: boolean; schema: Record<string, unknown> }[];
  requestBody?: { required?: boolean; content: Record<string, { schema: { $ref: string } }> };
  responses: Record<
    string,
    { headers?: object; content?: Record<string, { schema?: { $ref?: string }; examples?: Record<string, unknown> }> }
  >;
}

interface Schema {
  required?: string[];
  properties?: Record<string, Record<string, unknown>>;
}

/** The committed document; `npm run check` holds it equal to the code. */
const document = JSON.parse(readFileSync(join(packageRoot(), 'openapi.json'), 'utf8')) as {
  tags: { name: string; description?: string }[];
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: Record<string, Schema> };
};

const operations = Object.entries(document.paths).flatMap(([path, item]) =>
  Object.entries(item).map(([method, operation]) => ({ name: `${method.toUpperCase()} ${path}`, operation })),
);

const failing = (isFine: (operation: Operation) => boolean): string[] =>
  operations.filter(({ operation }) => !isFine(operation)).map(({ name }) => name);

const MULTIPART = 'multipart/form-data';
const requiresToken = ({ security = [] }: Operation): boolean => security.length > 0;

describe('every route', () => {
  it('declares who may call it', () => {
    expect(routesOf(t.app).filter(({ access }) => access === undefined)).toEqual([]);
  });

  it('is documented in openapi.json', () => {
    const documented = operations.map(({ name }) => name.replaceAll(/\{(\w+)\}/g, ':$1'));
    expect(documented.toSorted()).toEqual(
      routesOf(t.app)
        .map(({ name }) => name)
        .toSorted(),
    );
  });

  it('names its operation with @ApiOperation({ operationId }): a unique identifier in lower camel case', () => {
    expect(failing(({ operationId }) => /^[a-z]+[A-Za-z0-9]*$/.test(operationId))).toEqual([]);
    const ids = operations.map(({ operation }) => operation.operationId);
    expect(ids.filter((id, index) => ids.indexOf(id) !== index)).toEqual([]);
    expect(ids).toEqual(expect.arrayContaining(['signIn', 'signOut', 'getMe', 'uploadAvatar']));
  });

  it('documents 403 for requests of foreign pages when its method is unsafe', () => {
    const isUnsafe = (name: string): boolean => !/^(GET|HEAD|OPTIONS) /.test(name);
    expect(
      operations.filter(({ name, operation }) => isUnsafe(name) && !operation.responses['403']).map(({ name }) => name),
    ).toEqual([]);
  });

  it('documents two_step_required when it signs in with a password', () => {
    for (const path of ['/api/sessions', '/api/login']) {
      const { content = {} } = document.paths[path]!['post']!.responses['401'] ?? {};
      expect(Object.values(content).flatMap(({ examples }) => Object.keys(examples ?? {}))).toContain(
        'two_step_required',
      );
    }
  });

  it('documents 413 or 415 when it takes a body', () => {
    expect(failing((of) => !of.requestBody || '413' in of.responses || '415' in of.responses)).toEqual([]);
  });

  it('documents 206, 304 and 416 when it answers an image, unless it is a chart, which is drawn for each request', () => {
    const sendsImage = ({ responses }: Operation): boolean =>
      Object.keys(responses['200']?.content ?? {}).some(
        (type) => type.startsWith('image/') && type !== 'image/svg+xml',
      );
    expect(failing((of) => !sendsImage(of) || ['206', '304', '416'].every((status) => status in of.responses))).toEqual(
      [],
    );
  });

  it('has a summary of at most 85 characters, a description that tells who may call it, and one tag', () => {
    expect(failing(({ summary, tags }) => (summary?.length ?? 0) > 5 && tags?.length === 1)).toEqual([]);
    expect(failing(({ summary = '' }) => summary.length <= 85 && !/[.\n]$/.test(summary))).toEqual([]);
    expect(failing(({ description = '' }) => /\n\nAccess: .+\.$/.test(description))).toEqual([]);
  });

  it('has a tag that the document describes, and every described tag has routes', () => {
    const used = [...new Set(operations.flatMap(({ operation }) => operation.tags ?? []))];
    expect(document.tags.map(({ name }) => name).toSorted()).toEqual(used.toSorted());
    expect(document.tags.filter(({ description }) => !description)).toEqual([]);
    expect(document.tags.slice(0, 3).map(({ name }) => name)).toEqual(['users', 'sessions', 'password resets']);
  });

  it('documents a successful response with its body', () => {
    const isDocumented = ({ responses }: Operation) =>
      Object.entries(responses).some(
        ([status, { content }]) => /^2|101/.test(status) && (['101', '204'].includes(status) || content !== undefined),
      );
    expect(failing(isDocumented)).toEqual([]);
  });

  it('documents limit and cursor when it returns pages, and requires no parameter that has a default', () => {
    const isPaged = ({ responses }: Operation) => {
      const ref = responses['200']?.content?.['application/json']?.schema?.$ref ?? '';
      return 'next_cursor' in (document.components.schemas[ref.split('/').at(-1)!]?.properties ?? {});
    };
    const areThere = ({ parameters = [] }: Operation) =>
      ['limit', 'cursor'].every((name) => parameters.some((parameter) => parameter.name === name));
    expect(operations.filter(({ operation }) => isPaged(operation)).length).toBeGreaterThan(4);
    expect(failing((operation) => !isPaged(operation) || areThere(operation))).toEqual([]);
    const limits = operations.flatMap(({ operation: { parameters = [] } }) =>
      parameters.filter(({ name }) => name === 'limit').map(({ schema }) => schema),
    );
    expect(
      limits.filter(({ type, minimum, maximum }) => type !== 'integer' || minimum !== 1 || maximum !== 100),
    ).toEqual([]);
    const isFree = ({ parameters = [] }: Operation) =>
      parameters.every(({ required, schema }) => !(required && schema.default !== undefined));
    expect(failing(isFree)).toEqual([]);
  });

  it('documents the problems it answers with an example of each', () => {
    const problems = ({ responses }: Operation) => Object.entries(responses).filter(([status]) => /^[45]/.test(status));
    const areExplained = (operation: Operation) =>
      problems(operation).every(
        ([, { content = {} }]) =>
          Object.values(content).length > 0 &&
          Object.values(content).every(({ examples }) => Object.keys(examples ?? {}).length > 0),
      );
    expect(failing(areExplained)).toEqual([]);
    expect(
      failing(
        (operation) => !requiresToken(operation) || ['401', '503'].every((status) => status in operation.responses),
      ),
    ).toEqual([]);
    expect(failing(({ security }) => security !== undefined)).toEqual([]);
    expect(failing((operation) => !operation['x-permissions']?.length || '403' in operation.responses)).toEqual([]);
    expect(
      failing(
        (operation) =>
          !operation.requestBody ||
          operation['x-own-errors'] ||
          ['400', '413', '415', '422'].every((s) => s in operation.responses),
      ),
    ).toEqual([]);
  });

  it('has files in forms only, because JSON cannot hold them', () => {
    const hasFile = ({ $ref }: { $ref?: string }): boolean =>
      Object.values(document.components.schemas[$ref?.split('/').at(-1) ?? '']?.properties ?? {}).some(
        ({ format }) => format === 'binary',
      );
    const bodiesOf = (type: string) =>
      operations.filter(({ operation }) => hasFile(operation.requestBody?.content[type]?.schema ?? {}));
    expect(bodiesOf('application/json').map(({ name }) => name)).toEqual([]);
    expect(bodiesOf(MULTIPART).map(({ name }) => name)).toContain('PATCH /api/users/me');
  });

  it('that takes a form only documents no problem of JSON bodies', () => {
    const isFormOnly = ({ requestBody }: Operation) => Object.keys(requestBody?.content ?? {}).join() === MULTIPART;
    const answersAboutJson = ({ responses }: Operation) =>
      JSON.stringify(responses).includes('malformed_json') || JSON.stringify(responses['400']).includes('JSON');
    expect(operations.filter(({ operation }) => isFormOnly(operation)).length).toBeGreaterThan(0);
    expect(failing((operation) => !isFormOnly(operation) || !answersAboutJson(operation))).toEqual([]);
  });

  it('documents the headers of its responses', () => {
    const has = (name: string) => (response: { headers?: object } | undefined) => name in (response?.headers ?? {});
    const of = (path: string, method: string, status: number) => document.paths[path]![method]!.responses[status];
    expect(failing(({ responses }) => Object.values(responses).every(has('X-Request-Id')))).toEqual([]);
    expect(
      failing(({ responses }) => ['429', '503'].every((s) => !(s in responses) || has('Retry-After')(responses[s]))),
    ).toEqual([]);
    expect(['/api/users', '/api/groups'].every((path) => has('Location')(of(path, 'post', 201)))).toBe(true);
    expect([202, 429].every((status) => has('RateLimit')(of('/api/password-resets', 'post', status)))).toBe(true);
  });

  it('requires a body only if a field of it is required', () => {
    const isRequired = ({ requestBody }: Operation) => requestBody?.required;
    const name = 'DELETE /api/sessions/current';
    expect(operations.find((operation) => operation.name === name)?.operation.requestBody?.required).toBe(false);
    const hasRequired = ({ requestBody }: Operation) =>
      Object.values(requestBody!.content).some(
        ({ schema }) => (document.components.schemas[schema.$ref.split('/').at(-1)!]?.required ?? []).length > 0,
      );
    expect(failing((operation) => !isRequired(operation) || hasRequired(operation))).toEqual([]);
  });
});

it('every field of every body has an example, a format or a default', () => {
  const bare = Object.entries(document.components.schemas)
    .filter(([name]) => !name.endsWith('Problem'))
    .flatMap(([name, { properties = {} }]) =>
      Object.entries(properties)
        .filter(
          ([, field]) =>
            !['example', 'format', '$ref', 'allOf', 'enum', 'default', 'items'].some((key) => key in field),
        )
        .map(([field]) => `${name}.${field}`),
    );
  expect(bare.filter((field) => !field.endsWith('.next_cursor'))).toEqual([]);
});

it('every id is documented as a UUID, in bodies and in paths', () => {
  const UUID = /^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$/;
  const fields = Object.entries(document.components.schemas).flatMap(([name, { properties = {} }]) =>
    Object.entries(properties).map(([field, schema]) => ({ name: `${name}.${field}`, schema })),
  );
  const parameters = operations.flatMap(({ name, operation }) =>
    (operation.parameters ?? []).map((parameter) => ({ ...parameter, name: `${name} ${parameter.name}` })),
  );
  const inPaths = parameters.filter((parameter) => parameter.in === 'path' && /(^|_|\s)id$/.test(parameter.name));
  const withExample = fields.filter(({ schema }) => UUID.test(String(schema['example'])));
  expect([inPaths.length, withExample.length].every((count) => count > 15)).toBe(true);
  expect([...inPaths, ...withExample].filter(({ schema }) => schema['format'] !== 'uuid')).toEqual([]);
});

it('no answer is documented with oneOf, since a full answer also matches the shorter one', () => {
  expect(JSON.stringify(document)).not.toContain('"oneOf"');
});

it('each problem code belongs to one schema, which requires the members that come with the code', () => {
  const { Problem, ...schemas } = document.components.schemas as Record<
    string,
    Schema & { anyOf?: { $ref: string }[] }
  >;
  const kinds = Problem!.anyOf!.map(({ $ref }) => schemas[$ref.split('/').at(-1)!]!);
  const codes = kinds.flatMap(({ properties }) => properties!['code']!['enum'] as string[]);
  expect(codes.toSorted()).toEqual(Object.keys(PROBLEMS).toSorted());
  const requiredWith = (code: string) =>
    kinds.find(({ properties }) => (properties!['code']!['enum'] as string[]).includes(code))!.required;
  expect(requiredWith('two_step_required')).toEqual(expect.arrayContaining(['challenge', 'challenge_expires_at']));
  expect(requiredWith('user_not_found')).not.toContain('challenge');
  expect(requiredWith('validation_failed')).toContain('errors');
  expect(schemas['ValidationProblem']!.properties!['errors']).toMatchObject({
    items: { required: ['path', 'message'] },
  });
});
