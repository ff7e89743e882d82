import type { AsyncApiDocument } from './asyncapi.js';

const escape = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');

const code = (value: unknown): string => `<pre>${escape(JSON.stringify(value, null, 2))}</pre>`;

const STYLE = `body { font: 16px/1.5 system-ui, sans-serif; max-width: 56rem; margin: 2rem auto; padding: 0 1rem; color: #222 }
  pre { background: #f4f4f2; padding: .75rem; overflow-x: auto; font-size: 13px } h2 { border-top: 1px solid #ddd; padding-top: 1rem }
  .intro { white-space: pre-line }`;

/** The chat's document for people: one page, no scripts. */
export function asyncApiPage({ info, operations, components }: AsyncApiDocument): string {
  const sections = Object.entries(operations).map(([type, { summary }]) => {
    const messages = Object.entries(components.messages).filter(([name]) => name.startsWith(`${type}.`));
    const frames = messages.map(([, { title, payload }]) => `<h3>${escape(title)}</h3>${code(payload)}`);
    return `<h2 id="${type}">${type}</h2><p>${escape(summary)}</p>${frames.join('')}`;
  });
  const schemas = Object.entries(components.schemas).map(([name, schema]) => `<h3>${name}</h3>${code(schema)}`);
  const list = Object.keys(operations).map((type) => `<a href="#${type}">${type}</a>`);
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>${escape(info.title)}</title>
<style>${STYLE}</style></head><body><h1>${escape(info.title)} ${info.version}</h1>
<p class="intro">${escape(info.description)}</p><p>${list.join(' · ')} · <a href="#schemas">schemas</a> · <a href="chat-json">asyncapi.json</a></p>
${sections.join('\n')}<h2 id="schemas">Schemas</h2>${schemas.join('\n')}</body></html>`;
}
