/** The parts of JSON Schema that asyncapi.json uses. */
export interface ChatSchema {
  $ref?: string;
  allOf?: ChatSchema[];
  anyOf?: ChatSchema[];
  const?: unknown;
  type?: string | string[];
  description?: string;
  examples?: unknown[];
  items?: ChatSchema;
  properties?: Record<string, ChatSchema>;
  required?: string[];
}

export type ChatSchemas = Record<string, ChatSchema>;

/** The schema that a reference names, or the schema itself. */
export const resolve = (schema: ChatSchema, schemas: ChatSchemas): ChatSchema =>
  schema.$ref === undefined ? schema : schemas[schema.$ref.split('/').at(-1)!]!;

/** A value for a schema, composed of the examples of its fields. */
export function exampleOf(schema: ChatSchema, schemas: ChatSchemas): unknown {
  if (schema.$ref) return exampleOf(resolve(schema, schemas), schemas);
  if (schema.allOf) return Object.assign({}, ...schema.allOf.map((part) => exampleOf(part, schemas))) as object;
  if (schema.anyOf) return exampleOf(schema.anyOf[0]!, schemas);
  if (schema.const !== undefined) return schema.const;
  if (schema.examples) return schema.examples[0];
  if (schema.items) return [exampleOf(schema.items, schemas)];
  if (!schema.properties) return 'An error in one sentence.';
  const fields = Object.entries(schema.properties).map(([name, field]) => [name, exampleOf(field, schemas)]);
  return Object.fromEntries(fields);
}
