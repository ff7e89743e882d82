import type { INestApplication } from '@nestjs/common';
import { DocumentBuilder, SwaggerModule } from '@nestjs/swagger';
import { VERSION } from '../common/version.js';
import { ChatModule, GATEWAYS } from './chat.module.js';
import { ExpiringDto, HelloDto } from './connections/admission.dto.js';
import { ContactDto, ContactRequestDto } from './contacts/contacts.dto.js';
import { UserStatusDto } from './presence/user-status.dto.js';
import { type ChatEventDefinition, eventsOf } from './protocol/chat-event.decorator.js';
import { CLOSE_CODES } from './protocol/close-codes.js';
import { CHAT_PATH } from './protocol/path.js';
import { MACHI_V2 } from './protocol/subprotocol.js';

type Json = Record<string, unknown>;

interface Message {
  title: string;
  payload: Json;
}

type Operation = Json & { title: string; summary: string };

/** The parts of the document that tests use. */
export interface AsyncApiDocument extends Json {
  info: { title: string; version: string; description: string };
  operations: Record<string, Operation>;
  components: { messages: Record<string, Message>; schemas: Record<string, Json> };
}

const DESCRIPTION = `Raw WebSocket text frames with one JSON object each: \`{type, …}\`. A success is \`{success: true, type, data}\`, an error
\`{success: false, type, error}\` with a sentence in English. \`type\` is the type of the request, or "root" if the frame is not a
valid request. The frames of a connection are handled and answered in their order. If a request has a \`request_id\`, its
answer on this connection has it, too. Times are unix seconds.

Clients that offer the subprotocol \`${MACHI_V2}\` in \`Sec-WebSocket-Protocol\` may send the requests that say so, and get
\`hello\`, \`expiring\`, \`contact_request\` and \`contact_accepted\`. Without it these types are unknown.

The upgrade needs a valid identity token: the cookie \`login-token\`, or \`Authorization: Bearer\`. A client of
\`${MACHI_V2}\` may connect without one and send \`auth\` as its first frame within 10 seconds. The server closes connections
with these codes:

${Object.values(CLOSE_CODES)
  .map(([code, reason, advice]) => `- ${code} "${reason}": ${advice}`)
  .join('\n')}
- 1006, which no server sends: the connection broke, or the upgrade was refused. Connect again with growing pauses.
- 1002, 1007, 1008: a violation of the WebSocket protocol. Do not connect again: the client is broken.
- 1009: a frame of more than 1 MiB. Connect again, and do not send this frame again.`;

/** The AsyncAPI 3 document of the chat, generated from the `@ChatEvent` decorators and the DTOs. */
export function createAsyncApiDocument(app: INestApplication): AsyncApiDocument {
  const events = GATEWAYS.flatMap(eventsOf);
  const messages = Object.fromEntries([...events.flatMap(messagesOf), ...SERVER_MESSAGES]);
  const operations = Object.fromEntries([...events.map(operationOf), ...PUSH_OPERATIONS]);
  return {
    asyncapi: '3.0.0',
    info: { title: 'Machi chat', version: VERSION, description: DESCRIPTION },
    defaultContentType: 'application/json',
    channels: {
      chat: {
        address: CHAT_PATH,
        messages: Object.fromEntries(Object.keys(messages).map((name) => [name, ref('messages', name)])),
        bindings: { ws: { method: 'GET' } },
      },
    },
    operations,
    components: { messages, schemas: schemasOf(app, events) },
  };
}

const ref = (kind: string, name: string): Json => ({ $ref: `#/components/${kind}/${name}` });
const inChannel = (name: string): Json => ({ $ref: `#/channels/chat/messages/${name}` });
const REQUEST_ID = {
  type: 'string',
  minLength: 1,
  maxLength: 64,
  description: 'The one of the request, if it had one.',
};

const success = (type: string, data: Json): Json => ({
  type: 'object',
  required: ['success', 'type', 'data'],
  properties: { success: { const: true }, type: { const: type }, data, request_id: REQUEST_ID },
  additionalProperties: false,
});

const failure = (type: string): Json => ({
  type: 'object',
  required: ['success', 'type', 'error'],
  properties: { success: { const: false }, type: { const: type }, error: { type: 'string' }, request_id: REQUEST_ID },
  additionalProperties: false,
});

function messagesOf({ type, request, response, isList }: ChatEventDefinition): [string, Message][] {
  const element = response === 'pong' ? { const: 'pong' } : ref('schemas', response.name);
  const data = isList ? { type: 'array', items: element } : element;
  const payload = {
    allOf: [
      { type: 'object', required: ['type'], properties: { type: { const: type } } },
      ref('schemas', request.name),
    ],
  };
  return [
    [`${type}.request`, { title: `${type}: request`, payload }],
    [`${type}.success`, { title: `${type}: success`, payload: success(type, data) }],
    [`${type}.error`, { title: `${type}: error`, payload: failure(type) }],
  ];
}

/** Frames that the server sends without a request. */
const PUSHES = [
  {
    type: 'hello',
    data: HelloDto,
    summary: `Tells a client that its connection is admitted. The first frame. Only for the subprotocol ${MACHI_V2}.`,
  },
  {
    type: 'expiring',
    data: ExpiringDto,
    summary: `Tells a client 30 seconds before that its token expires; \`auth\` renews it. Only for the subprotocol ${MACHI_V2}.`,
  },
  {
    type: 'user_status',
    data: UserStatusDto,
    summary: 'Notifies connected contacts of a user’s first connection and of the end of the last one.',
  },
  {
    type: 'contact_request',
    data: ContactRequestDto,
    summary: `Notifies a user of a contact request. Only for the subprotocol ${MACHI_V2}.`,
  },
  {
    type: 'contact_accepted',
    data: ContactDto,
    summary: `Notifies a user that a contact request was accepted. Only for the subprotocol ${MACHI_V2}.`,
  },
];

/** Messages that are not the answer to a valid request. */
const SERVER_MESSAGES: [string, Message][] = [
  ...PUSHES.map(({ type, data }): [string, Message] => [
    `${type}.success`,
    { title: type, payload: success(type, ref('schemas', data.name)) },
  ]),
  ['root.error', { title: 'root: error', payload: failure('root') }],
];

const PUSH_OPERATIONS: [string, Operation][] = PUSHES.map(({ type, summary }) => [
  type,
  {
    title: type,
    summary,
    action: 'send',
    channel: { $ref: '#/channels/chat' },
    messages: [inChannel(`${type}.success`)],
  },
]);

function operationOf({ type, summary, sentTo, protocol }: ChatEventDefinition): [string, Operation] {
  const channel = { $ref: '#/channels/chat' };
  const replies = [`${type}.success`, `${type}.error`, 'root.error'].map(inChannel);
  const only = protocol === 'any' ? '' : ` Only for the subprotocol ${protocol}.`;
  const description = `Successes are sent to ${sentTo}, errors to the requester.${only}`;
  const operation = { title: type, summary, description, action: 'receive', channel };
  return [type, { ...operation, messages: [inChannel(`${type}.request`)], reply: { channel, messages: replies } }];
}

/** The schemas that Swagger generates for the DTOs, converted from OpenAPI 3.0 to JSON Schema. */
function schemasOf(app: INestApplication, events: ChatEventDefinition[]): Record<string, Json> {
  const requests = new Set<string>(events.map(({ request }) => request.name));
  const models = events.flatMap(({ request, response }) => (response === 'pong' ? [request] : [request, response]));
  const options = { include: [ChatModule], extraModels: [...new Set([...models, ...PUSHES.map(({ data }) => data)])] };
  const { components } = SwaggerModule.createDocument(app, new DocumentBuilder().build(), options);
  const schemas = Object.entries(components?.schemas ?? {}).map(([name, schema]) => {
    const closed = requests.has(name) ? {} : { additionalProperties: false }; // unknown fields of requests are ignored
    return [name, { ...(toJsonSchema(schema) as Json), ...closed }];
  });
  return Object.fromEntries(schemas) as Record<string, Json>;
}

function toJsonSchema(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map((part) => toJsonSchema(part));
  if (typeof schema !== 'object' || schema === null) return schema;
  const { nullable, example, ...rest } = schema as Json;
  const parts = Object.fromEntries(Object.entries(rest).map(([key, part]) => [key, toJsonSchema(part)]));
  if (parts['type'] === 'number') parts['type'] = 'integer'; // all numbers of the chat are integers
  const { allOf, ...others } = parts;
  if (nullable && Array.isArray(allOf)) return { ...others, type: undefined, anyOf: [...allOf, { type: 'null' }] };
  if (nullable) parts['type'] = [parts['type'], 'null'];
  return example === undefined ? parts : { ...parts, examples: [example] };
}
