import type { INestApplication } from '@nestjs/common';
import { DocumentBuilder, SwaggerModule } from '@nestjs/swagger';
import { VERSION } from '../common/version.js';
import { PATH } from './chat.gateway.js';
import { ChatModule } from './chat.module.js';
import type { EventClass } from './protocol/event.js';
import { EVENTS } from './events.js';
import { UserStatusDto } from './contacts/contacts.dto.js';
import { CLOSE_CODES } from './protocol/close-codes.js';

type Json = Record<string, unknown>;

interface Message {
  title: string;
  payload: Json;
}

type Operation = Json & { title: string; summary: string };

export interface AsyncApiDocument extends Json {
  info: { title: string; version: string; description: string };
  operations: Record<string, Operation>;
  components: { messages: Record<string, Message>; schemas: Record<string, Json> };
}

const DESCRIPTION = `Raw WebSocket text frames, one JSON object each: \`{type, …}\`. A success is \`{success: true, type, data}\`, an error
\`{success: false, type, error}\` with a sentence for people; \`type\` is that of the request, or "root" when the frame itself
makes no sense. Frames of one connection are handled and answered in order. A request may carry a \`request_id\`, which comes
back in its answer, on this connection alone. Times are unix seconds.

The upgrade needs a valid identity token: the cookie \`login-token\`, or \`Authorization: Bearer\`. How a connection ends:

${Object.values(CLOSE_CODES)
  .map(([code, reason, advice]) => `- ${code} "${reason}": ${advice}`)
  .join('\n')}
- 1002, 1007, 1008: a fault of the WebSocket protocol. Do not connect again: the client is broken.
- 1009: a frame of more than 64 KiB. Connect again, and send less at once.`;

/** The chat's frames as AsyncAPI 3, made from the registry of events and the rules and comments of their DTOs. */
export function createAsyncApiDocument(app: INestApplication): AsyncApiDocument {
  const events = Object.entries<EventClass>(EVENTS);
  const messages = Object.fromEntries([...events.flatMap(messagesOf), ...PUSHED]);
  const operations = Object.fromEntries([...events.map(operationOf), STATUS_OPERATION]);
  return {
    asyncapi: '3.0.0',
    info: { title: 'Machi chat', version: VERSION, description: DESCRIPTION },
    defaultContentType: 'application/json',
    channels: {
      chat: {
        address: PATH,
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
  description: 'As in the request, when that had one.',
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

function messagesOf([type, event]: [string, EventClass]): [string, Message][] {
  const data = event.data === 'pong' ? { const: 'pong' } : ref('schemas', event.data.name);
  const request = {
    allOf: [
      { type: 'object', required: ['type'], properties: { type: { const: type } } },
      ref('schemas', event.request.name),
    ],
  };
  return [
    [`${type}.request`, { title: `${type}: request`, payload: request }],
    [`${type}.success`, { title: `${type}: success`, payload: success(type, event.isList ? { type: 'array', items: data } : data) }], // prettier-ignore
    [`${type}.error`, { title: `${type}: error`, payload: failure(type) }],
  ];
}

const PUSHED: [string, Message][] = [
  [
    'user_status.success',
    { title: 'user_status', payload: success('user_status', ref('schemas', UserStatusDto.name)) },
  ],
  ['root.error', { title: 'root: error', payload: failure('root') }],
];

const STATUS_OPERATION: [string, Operation] = [
  'user_status',
  {
    title: 'user_status',
    summary:
      'Somebody is online with their first connection, or offline after their last; pushed to connected contacts.',
    action: 'send',
    channel: { $ref: '#/channels/chat' },
    messages: [inChannel('user_status.success')],
  },
];

function operationOf([type, { summary, sentTo }]: [string, EventClass]): [string, Operation] {
  const channel = { $ref: '#/channels/chat' };
  const replies = [`${type}.success`, `${type}.error`, 'root.error'].map(inChannel);
  const description = `The success goes to ${sentTo}, an error to the requester.`;
  const operation = { title: type, summary, description, action: 'receive', channel };
  return [type, { ...operation, messages: [inChannel(`${type}.request`)], reply: { channel, messages: replies } }];
}

/** What Swagger makes of the DTOs, with its ways of OpenAPI 3.0 put into those of JSON Schema. */
function schemasOf(app: INestApplication, events: [string, EventClass][]): Record<string, Json> {
  const requests = new Set<string>(events.map(([, { request }]) => request.name));
  const models = events.flatMap(([, { request, data }]) => (data === 'pong' ? [request] : [request, data]));
  const options = { include: [ChatModule], extraModels: [...new Set([...models, UserStatusDto])] };
  const { components } = SwaggerModule.createDocument(app, new DocumentBuilder().build(), options);
  const schemas = Object.entries(components?.schemas ?? {}).map(([name, schema]) => {
    const closed = requests.has(name) ? {} : { additionalProperties: false }; // a client may send more; we do not
    return [name, { ...(toJsonSchema(schema) as Json), ...closed }];
  });
  return Object.fromEntries(schemas) as Record<string, Json>;
}

function toJsonSchema(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map((part) => toJsonSchema(part));
  if (typeof schema !== 'object' || schema === null) return schema;
  const { nullable, example, ...rest } = schema as Json;
  const parts = Object.fromEntries(Object.entries(rest).map(([key, part]) => [key, toJsonSchema(part)]));
  if (parts['type'] === 'number') parts['type'] = 'integer'; // there is no other number in the chat
  if (nullable) parts['type'] = [parts['type'], 'null'];
  return example === undefined ? parts : { ...parts, examples: [example] };
}
