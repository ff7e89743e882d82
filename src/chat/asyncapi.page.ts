import type { AsyncApiDocument } from './asyncapi.js';

interface Schema {
  $ref?: string;
  allOf?: Schema[];
  type?: string | string[];
  const?: unknown;
  description?: string;
  examples?: unknown[];
  properties?: Record<string, Schema>;
  required?: string[];
  items?: Schema;
  minLength?: number;
  maxLength?: number;
  maxItems?: number;
}

const escape = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');

const code = (text: string): string => `<code>${escape(text)}</code>`;

const inline = (part: string): string => escape(part).replaceAll(/`([^`]*)`/g, '<code>$1</code>');

const block = (part: string): string =>
  part.startsWith('- ')
    ? `<ul>${part.split(/^- /m).slice(1).map((item) => `<li>${inline(item)}</li>`).join('')}</ul>` // prettier-ignore
    : `<p>${inline(part)}</p>`;

/** The little of Markdown that the document's description is written in: paragraphs, lists, code. */
const markdown = (text: string): string => text.split('\n\n').map(block).join('');

const STYLE = `body { font: 16px/1.5 system-ui, sans-serif; max-width: 56rem; margin: 2rem auto; padding: 0 1rem; color: #222 }
  code, pre { background: #f4f4f2; font-size: 14px } pre { padding: .75rem; white-space: pre-wrap; overflow-wrap: anywhere }
  h2 { border-top: 1px solid #ddd; padding-top: 1rem } table { border-collapse: collapse; font-size: 14px }
  td { border-top: 1px solid #eee; padding: .2rem 1rem .2rem 0; vertical-align: top }`;

/** The chat's document for people: each frame by example and field by field; one page, no scripts. */
export function asyncApiPage({ info, operations, components }: AsyncApiDocument): string {
  const resolve = (schema: Schema): Schema => {
    if (schema.$ref) return resolve(components.schemas[schema.$ref.split('/').at(-1)!] as Schema);
    if (!schema.allOf) return schema;
    const parts = schema.allOf.map(resolve);
    return {
      properties: Object.assign({}, ...parts.map(({ properties }) => properties)) as Record<string, Schema>,
      required: parts.flatMap(({ required = [] }) => required),
    };
  };

  const example = (schema: Schema): unknown => {
    const { const: constant, examples, properties, items } = resolve(schema);
    if (constant !== undefined) return constant;
    if (examples) return examples[0];
    if (items) return [example(items)];
    if (!properties) return 'What is wrong, in a sentence.';
    const shown = Object.entries(properties).filter(([name]) => name !== 'request_id');
    return Object.fromEntries(shown.map(([name, property]) => [name, example(property)]));
  };

  const rows = (schema: Schema, path = ''): string[] => {
    const { properties = {}, required = [] } = resolve(schema);
    return Object.entries(properties).flatMap(([name, property]) => {
      const field = resolve(property);
      const inner = field.items ? rows(field.items, `${path}${name}[].`) : rows(field, `${path}${name}.`);
      const about = [typeOf(field), required.includes(name) ? '' : 'may be absent'].filter(Boolean).join(', ');
      const row = `<tr><td>${code(path + name)}</td><td>${about}</td><td>${escape(field.description ?? '')}</td></tr>`;
      return field.const === undefined ? [row, ...inner] : [];
    });
  };

  const frame = ([, { title, payload }]: [string, AsyncApiDocument['components']['messages'][string]]): string =>
    `<h3>${escape(title)}</h3><pre>${escape(JSON.stringify(example(payload)))}</pre><table>${rows(payload).join('')}</table>`;

  const sections = Object.entries(operations).map(([type, { summary, description }]) => {
    const messages = Object.entries(components.messages).filter(([name]) => name.startsWith(`${type}.`));
    const about = [summary, description].filter((text) => typeof text === 'string').join(' ');
    return `<h2 id="${type}">${type}</h2>${markdown(about)}${messages.map(frame).join('')}`;
  });
  const list = Object.keys(operations).map((type) => `<a href="#${type}">${type}</a>`);
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>${escape(info.title)}</title>
<style>${STYLE}</style></head><body><h1>${escape(info.title)} ${info.version}</h1>
${markdown(info.description)}<p>${list.join(' · ')} · <a href="chat-json">asyncapi.json</a></p>
${sections.join('\n')}</body></html>`;
}

function typeOf({ type = 'object', minLength, maxLength, maxItems }: Schema): string {
  const name = [type].flat().join(' or ');
  if (maxLength !== undefined) return `${name} of ${minLength ?? 0} to ${maxLength.toLocaleString('en')} characters`;
  return maxItems === undefined ? name : `${name} of at most ${maxItems.toLocaleString('en')}`;
}
