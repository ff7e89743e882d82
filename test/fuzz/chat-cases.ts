import fc from 'fast-check';
import { asyncapi, exampleOf } from '../support/api/asyncapi.js';
import { type Json, mutated } from './values.js';

/** The events that clients send. */
export const EVENTS = Object.keys(asyncapi.operations).filter(
  (name) => `${name}.request` in asyncapi.components.messages,
);

/** Values that are replaced when the frame is sent; `"{{conversation}}"` becomes a number without quotes. */
const FIELDS: Record<string, Json> = {
  contact_username: '{{username}}',
  members: ['{{username}}', '{{username}}'],
  id: '{{conversation}}',
  conversation_id: '{{conversation}}',
  reply_id: '{{message}}',
  before: '{{message}}',
  message_id: '{{message}}',
  username: '{{username}}',
  cursors: [{ conversation_id: '{{conversation}}', message_id: 0, revision: 0 }],
  nonce: '{{fresh.nonce}}',
};

const DAMAGES = ['truncated', 'trailing', 'duplicated', 'binary', 'huge', 'not JSON'] as const;

export interface ChatCase {
  frames: { json: Json; damage: 'none' | (typeof DAMAGES)[number] }[];
}

/** A valid frame of an event, or one with mutated fields or damaged bytes. */
const frameOf = (event: string): fc.Arbitrary<ChatCase['frames'][number]> => {
  const { payload } = asyncapi.components.messages[`${event}.request`]!;
  const example = exampleOf(payload) as Record<string, Json>;
  const fields = Object.fromEntries(Object.entries(example).map(([key, value]) => [key, FIELDS[key] ?? value]));
  const optional = Object.keys(fields).filter((key) => !['type', 'members', 'content', 'id'].includes(key));
  const valid = fc
    .subarray(optional)
    .map((removed) => Object.fromEntries(Object.entries(fields).filter(([key]) => !removed.includes(key))) as Json);
  return fc.record({
    json: fc.oneof(valid, fc.constant(fields as Json)).chain(mutated),
    damage: fc.oneof(
      { weight: 8, arbitrary: fc.constant('none' as const) },
      { weight: 1, arbitrary: fc.constantFrom(...DAMAGES) },
    ),
  });
};

/** One to four frames of an event that are sent without waiting for answers. */
export const chatCasesOf = (event: string): fc.Arbitrary<ChatCase> =>
  fc.record({ frames: fc.array(frameOf(event), { minLength: 1, maxLength: 4 }) });
