import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { packageRoot } from '../../src/common/version.js';
import { startApp, type TestApp } from '../support/app.js';
import { routesOf } from '../support/routes.js';

let t: TestApp;
beforeAll(async () => {
  t = await startApp();
});
afterAll(() => t.stop());

interface Operation {
  operationId: string;
  summary?: string;
  tags?: string[];
  security?: unknown[];
  'x-permissions'?: string[];
  'x-plain-text'?: boolean;
  parameters?: { name: string; required?: boolean; schema: { default?: unknown } }[];
  requestBody?: { content: Record<string, { schema: { $ref: string } }> };
  responses: Record<string, { content?: Record<string, { schema?: { $ref?: string }; examples?: object }> }>;
}

interface Schema {
  properties?: Record<string, Record<string, unknown>>;
}

/** The committed document; `npm run check` holds it equal to the code. */
const document = JSON.parse(readFileSync(join(packageRoot(), 'openapi.json'), 'utf8')) as {
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: Record<string, Schema> };
};

const operations = Object.entries(document.paths).flatMap(([path, item]) =>
  Object.entries(item).map(([method, operation]) => ({ name: `${method.toUpperCase()} ${path}`, operation })),
);

const failing = (isFine: (operation: Operation) => boolean): string[] =>
  operations.filter(({ operation }) => !isFine(operation)).map(({ name }) => name);

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

  it('has a summary and one tag', () => {
    expect(failing(({ summary, tags }) => (summary?.length ?? 0) > 5 && tags?.length === 1)).toEqual([]);
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
    const isFree = ({ parameters = [] }: Operation) =>
      parameters.every(({ required, schema }) => !(required && schema.default !== undefined));
    expect(failing(isFree)).toEqual([]);
  });

  it('documents the problems it answers with an example of each', () => {
    const problems = ({ responses }: Operation) => Object.entries(responses).filter(([status]) => /^[45]/.test(status));
    const areExplained = (operation: Operation) =>
      problems(operation).every(
        ([, { content }]) =>
          Object.keys((content?.['application/problem+json'] ?? content?.['text/plain'])?.examples ?? {}).length > 0,
      );
    expect(failing(areExplained)).toEqual([]);
    expect(
      failing((operation) => !operation.security || ['401', '503'].every((status) => status in operation.responses)),
    ).toEqual([]);
    expect(failing((operation) => !operation['x-permissions']?.length || '403' in operation.responses)).toEqual([]);
    expect(
      failing(
        (operation) =>
          !operation.requestBody ||
          operation['x-plain-text'] ||
          ['400', '413', '415', '422'].every((s) => s in operation.responses),
      ),
    ).toEqual([]);
  });
});

it('every field of every body has an example, a format or a default', () => {
  const bare = Object.entries(document.components.schemas)
    .filter(([name]) => name !== 'Problem')
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
