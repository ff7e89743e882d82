import type { AsyncApiDocument } from './asyncapi.js';
import { type ChatSchema, type ChatSchemas, exampleOf, resolve } from './example-of.js';

const ESCAPES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };
const escape = (text: string): string => text.replaceAll(/[&<>"']/g, (character) => ESCAPES[character]!);

const inline = (text: string): string => escape(text).replaceAll(/`([^`]+)`/g, '<code>$1</code>');

/** The part of Markdown that descriptions use: paragraphs, lists of one level, and code. */
const markdown = (text: string): string =>
  text
    .split(/\n{2,}/)
    .map((block) => {
      if (!block.startsWith('- ')) return `<p>${inline(block)}</p>`;
      const items = block.slice(2).split(/\n- /);
      return `<ul>${items.map((item) => `<li>${inline(item)}</li>`).join('')}</ul>`;
    })
    .join('\n');

const json = (value: unknown): string => `<pre>${escape(JSON.stringify(value, null, 2))}</pre>`;

const typeOf = (schema: ChatSchema, schemas: ChatSchemas): string => {
  const resolved = resolve(schema, schemas);
  const type = resolved.anyOf ? 'object or null' : [resolved.type ?? 'object'].flat().join(' or ');
  return resolved.items ? `${type} of ${typeOf(resolved.items, schemas)}` : type;
};

/** The fields of an object with their types and descriptions. */
function fieldsOf(schema: ChatSchema, schemas: ChatSchemas): string {
  const { properties = {}, required = [], items } = resolve(schema, schemas);
  if (items) return fieldsOf(items, schemas);
  const fields = Object.entries(properties).map(([name, field]) => {
    const note = required.includes(name) ? '' : ', optional';
    return `<dt><code>${escape(name)}</code> ${escape(typeOf(field, schemas))}${note}</dt><dd>${inline(field.description ?? '')}</dd>`;
  });
  return fields.length === 0 ? '' : `<dl>${fields.join('')}</dl>`;
}

/** The parts of the page that describe the events; `request` and `data` are shown with an example each. */
function eventsOf(document: AsyncApiDocument, action: 'send' | 'receive'): string {
  const schemas = document.components.schemas as ChatSchemas;
  const { messages } = document.components;
  const events = Object.entries(document.operations).filter(([, operation]) => operation['action'] === action);
  return events
    .map(([type, { summary, description }]) => {
      const request = messages[`${type}.request`]?.payload as ChatSchema | undefined;
      const success = messages[`${type}.success`]!.payload as ChatSchema;
      const parts = [
        `<p>${inline([summary, description].filter(Boolean).join(' '))}</p>`,
        request && `<h3>Request</h3>${request.allOf!.map((part) => fieldsOf(part, schemas)).join('')}`,
        request && json(exampleOf(request, schemas)),
        `<h3>${request ? 'Success' : 'Frame'}</h3>${fieldsOf(success.properties!['data']!, schemas)}`,
        json(exampleOf(success, schemas)),
      ];
      const heading = `<summary><code>${type}</code> <span>${inline(summary)}</span></summary>`;
      return `<details id="${type}">${heading}${parts.filter(Boolean).join('\n')}</details>`;
    })
    .join('\n');
}

/** What the script of the page needs: example requests by their type, and the close codes. */
function dataOf({ operations, components, 'x-close-codes': closeCodes }: AsyncApiDocument): string {
  const requests = Object.entries(operations)
    .filter(([type, { action }]) => action === 'receive' && type !== 'auth')
    .map(([type]) => {
      const { payload } = components.messages[`${type}.request`]!;
      return [type, exampleOf(payload, components.schemas)];
    });
  return JSON.stringify({ requests: Object.fromEntries(requests), closeCodes }).replaceAll('<', '\\u003c');
}

/** The page that describes the chat and connects to it. `basePath`: the path of PUBLIC_URL. */
export const chatPage = (document: AsyncApiDocument, basePath: string): string => `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escape(document.info.title)}</title>
<link rel="stylesheet" href="${basePath}/docs/chat.css">
<script type="module" src="${basePath}/docs/chat.js"></script>
</head>
<body data-base="${escape(basePath)}">
<header>
<h1>${escape(document.info.title)} <small>${escape(document.info.version)}</small></h1>
<nav><a href="${basePath}/docs">HTTP API</a> <a href="${basePath}/docs/chat-json">asyncapi.json</a></nav>
</header>
<main>
<section id="connect">
<h2>Connect</h2>
<form id="sign-in">
<label>Username or e-mail address <input name="login" autocomplete="username" required></label>
<label>Password <input name="password" type="password" autocomplete="current-password" required></label>
<button>Sign in and connect</button>
</form>
<form id="token">
<label>or an identity token <input name="token" autocomplete="off" spellcheck="false" required></label>
<button>Connect</button>
</form>
<p id="state" role="status">Not connected.</p>
<form id="request">
<label>Request <select name="type"></select></label>
<textarea name="frame" rows="6" spellcheck="false" aria-label="Frame"></textarea>
<button disabled>Send</button> <button type="button" id="disconnect" disabled>Disconnect</button>
</form>
<ol id="log" aria-label="Frames"></ol>
</section>
<section><h2>Protocol</h2>${markdown(document.info.description)}</section>
<section><h2>Requests</h2>${eventsOf(document, 'receive')}</section>
<section><h2>Frames without a request</h2>${eventsOf(document, 'send')}</section>
</main>
<script type="application/json" id="data">${dataOf(document)}</script>
</body>
</html>
`;
