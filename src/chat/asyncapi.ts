import type { INestApplication, Type } from '@nestjs/common';
import { DocumentBuilder, SwaggerModule } from '@nestjs/swagger';
import { VERSION } from '../common/version.js';
import { ChatModule, GATEWAYS } from './chat.module.js';
import { ExpiringDto, HelloDto } from './connections/admission.dto.js';
import { ConversationEventDto } from './events/conversation-events.dto.js';
import { ContactDto, ContactRequestDto } from './contacts/contacts.dto.js';
import { UserStatusDto } from './presence/user-status.dto.js';
import { type ChatEventDefinition, eventsOf } from './protocol/chat-event.decorator.js';
import { CLOSE_CODES, type CloseCode, type ClosePlan, PROTOCOL_CLOSE_CODES } from './protocol/close-codes.js';
import { CHAT_ERROR_CODES } from './protocol/error-codes.js';
import { CHAT_PATH } from './protocol/path.js';
import { MACHI_V2, type Subprotocol } from './protocol/subprotocol.js';
import { MessageReadDto, UserTypingDto } from './sync/sync.dto.js';
import { UploadProgressDto } from './uploads/upload-progress.dto.js';

type Json = Record<string, unknown>;

interface Message {
  title: string;
  payload: Json;
}

type Operation = Json & { title: string; summary: string };

/** How a connection is closed and what a client does then, for generators of clients. */
interface DocumentedCloseCode {
  code: number;
  /** A code of our own has a name and a reason; a code of the WebSocket protocol has a meaning, and any text as reason. */
  name?: string;
  reason?: string;
  meaning?: string;
  action: ClosePlan['action'];
  pause_seconds?: ClosePlan['pause'];
  description: string;
}

/** The parts of the document that tests use. */
export interface AsyncApiDocument extends Json {
  'x-close-codes': DocumentedCloseCode[];
  info: { title: string; version: string; description: string };
  operations: Record<string, Operation>;
  components: { messages: Record<string, Message>; schemas: Record<string, Json> };
}

const DESCRIPTION = `Raw WebSocket text frames with one JSON object each: \`{type, …}\`. A success is \`{success: true, type, data}\`, an error
\`{success: false, type, error}\` with a sentence in English, and for clients of \`${MACHI_V2}\` with a stable \`code\`. \`type\` is the type of the request, or "root" if the frame is not a
valid request. The frames of a connection are handled and answered in their order. If a request has a \`request_id\`, its
answer on this connection has it, too. Times are unix seconds.

Clients that offer the subprotocol \`${MACHI_V2}\` in \`Sec-WebSocket-Protocol\` may send the requests that say so, and get
\`hello\`, \`expiring\`, \`contact_request\`, \`contact_accepted\`, \`conversation_event\`, \`message_read\`, \`user_typing\` and, if they ask for it, \`upload_progress\`. Without it these types are unknown.

The upgrade needs a valid identity token: the cookie \`login-token\`, or \`Authorization: Bearer\`. A client of
\`${MACHI_V2}\` may connect without one and send \`auth\` as its first frame within 10 seconds. The server closes connections
with these codes, which \`x-close-codes\` lists as data: \`action\` is \`reconnect\`, \`refresh\` (get a new identity token,
then connect), \`sign_in\` or \`stop\`; \`pause_seconds\` is the range of a random pause before it, which doubles after
each failure up to \`longest\`, if there is one.

${Object.values(CLOSE_CODES)
  .map(({ code, reason, advice }) => `- ${code} "${reason}": ${advice}`)
  .join('\n')}
${PROTOCOL_CLOSE_CODES.map(({ code, meaning, advice }) => `- ${code}, ${meaning}: ${advice}`).join('\n')}`;

const DOCUMENTED_CLOSE_CODES: DocumentedCloseCode[] = [
  ...Object.entries<CloseCode>(CLOSE_CODES).map(([name, { code, reason, ...plan }]) => ({
    name,
    code,
    reason,
    ...documentPlan(plan),
  })),
  ...PROTOCOL_CLOSE_CODES.map(({ code, meaning, ...plan }) => ({ code, meaning, ...documentPlan(plan) })),
];

function documentPlan({ action, pause, advice }: ClosePlan): Omit<DocumentedCloseCode, 'code'> {
  return { action, ...(pause ? { pause_seconds: pause } : {}), description: advice };
}

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
    'x-close-codes': DOCUMENTED_CLOSE_CODES,
    components: { messages, schemas: { ...schemasOf(app, events), ErrorCode: ERROR_CODE } },
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

const ERROR_CODE = {
  type: 'string',
  enum: CHAT_ERROR_CODES,
  examples: [CHAT_ERROR_CODES[0]],
  description: 'A stable code for clients to switch on. Later versions may add codes.',
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
  properties: {
    success: { const: false },
    type: { const: type },
    error: { type: 'string' },
    code: {
      ...ref('schemas', 'ErrorCode'),
      description: `Always there for clients of \`${MACHI_V2}\`, never for others.`,
    },
    request_id: REQUEST_ID,
  },
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

/** Frames that the server sends without a request; `protocol`: the only subprotocol whose clients get them. */
const PUSHES: { type: string; data: Type; protocol?: Subprotocol; summary: string }[] = [
  {
    type: 'hello',
    data: HelloDto,
    protocol: MACHI_V2,
    summary: 'Tells a client that its connection is admitted. The first frame.',
  },
  {
    type: 'expiring',
    data: ExpiringDto,
    protocol: MACHI_V2,
    summary: 'Tells a client 30 seconds before that its token expires; `auth` renews it.',
  },
  {
    type: 'user_status',
    data: UserStatusDto,
    summary: 'Notifies connected contacts of a user’s first connection and of the end of the last one.',
  },
  {
    type: 'contact_request',
    data: ContactRequestDto,
    protocol: MACHI_V2,
    summary: 'Notifies a user of a contact request.',
  },
  {
    type: 'contact_accepted',
    data: ContactDto,
    protocol: MACHI_V2,
    summary: 'Notifies a user that a contact request was accepted.',
  },
  {
    type: 'conversation_event',
    data: ConversationEventDto,
    protocol: MACHI_V2,
    summary: 'Tells the members of a conversation what has changed, with the next revision of the conversation.',
  },
  {
    type: 'message_read',
    data: MessageReadDto,
    protocol: MACHI_V2,
    summary: 'Tells the members of a conversation of at most 100 how far a member has read. May be lost.',
  },
  {
    type: 'user_typing',
    data: UserTypingDto,
    protocol: MACHI_V2,
    summary: 'Tells the other members of a conversation of at most 100 that a member is writing. May be lost.',
  },
  {
    type: 'upload_progress',
    data: UploadProgressDto,
    protocol: MACHI_V2,
    summary: 'Tells a client that has sent `watch_uploads` how far the commit of an upload is.',
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

const PUSH_OPERATIONS: [string, Operation][] = PUSHES.map(({ type, protocol, summary }) => [
  type,
  {
    title: type,
    summary: protocol ? `${summary} Only for the subprotocol ${protocol}.` : summary,
    ...(protocol ? { 'x-subprotocol': protocol } : {}),
    action: 'send',
    channel: { $ref: '#/channels/chat' },
    messages: [inChannel(`${type}.success`)],
  },
]);

function operationOf({ type, summary, sentTo, protocol }: ChatEventDefinition): [string, Operation] {
  const channel = { $ref: '#/channels/chat' };
  const replies = [`${type}.success`, `${type}.error`, 'root.error'].map(inChannel);
  const isForAll = protocol === 'any';
  const only = isForAll ? '' : ` Only for the subprotocol ${protocol}.`;
  const description = `Successes are sent to ${sentTo}, errors to the requester.${only}`;
  const operation = {
    title: type,
    summary,
    description,
    action: 'receive',
    channel,
    ...(isForAll ? {} : { 'x-subprotocol': protocol }),
    'x-sent-to': sentTo,
  };
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
  if (nullable && Array.isArray(parts['enum'])) parts['enum'] = [...(parts['enum'] as unknown[]), null];
  return example === undefined ? parts : { ...parts, examples: [example] };
}
