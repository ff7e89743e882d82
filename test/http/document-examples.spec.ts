import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startApp, type TestApp } from '../support/app.js';
import { document, resolveRef, type Schema } from '../fuzz/api-document.js';

let t: TestApp;
beforeAll(async () => {
  t = await startApp();
});
afterAll(() => t.stop());

interface Example {
  method: string;
  path: string;
  body: unknown;
}

const SAMPLES: Record<string, unknown> = { integer: 0, number: 0, boolean: true };

/** The value that Swagger UI fills in for a schema. */
function sampleOf(reference: Schema): unknown {
  const schema = resolveRef(reference);
  const { example, items, properties } = schema;
  const [part] = schema.allOf ?? schema.oneOf ?? schema.anyOf ?? [];
  const value = example ?? schema.default ?? schema.enum?.[0];
  if (value !== undefined) return value;
  if (part) return sampleOf(part);
  if (items) return [sampleOf(items)];
  if (properties)
    return Object.fromEntries(Object.entries(properties).map(([name, property]) => [name, sampleOf(property)]));
  return schema.format === 'uuid' ? randomUUID() : (SAMPLES[schema.type ?? ''] ?? new Date().toISOString());
}

/** The bodies in JSON that the document shows. */
const EXAMPLES: Example[] = Object.entries(document.paths).flatMap(([path, item]) =>
  Object.entries(item).flatMap(([method, { requestBody }]) => {
    const json = requestBody?.content['application/json'];
    if (!json) return [];
    const shown = Object.values(json.examples ?? {}).map((example) => (example as { value: unknown }).value);
    const bodies = shown.length > 0 ? shown : [sampleOf(json.schema)];
    return bodies.map((body) => ({ method: method.toUpperCase(), path, body }));
  }),
);

it('no body that Swagger UI fills in is refused because of its fields', async () => {
  const token = await t.asAdmin();
  const refused: string[] = [];
  for (const { method, path, body } of EXAMPLES) {
    const url = path.replaceAll(/\{(\w+)\}/g, (_, id) =>
      ['conversation', 'message'].includes(id) ? '1' : randomUUID(),
    );
    const answer = await t.request(method, url, { token, body: body as object });
    if (['validation_failed', 'malformed_json'].includes(String(answer.body['code'])))
      refused.push(`${method} ${path} ${JSON.stringify(answer.body['errors'])}`);
  }
  expect(refused).toEqual([]);
  expect(EXAMPLES.length).toBeGreaterThan(80);
});
