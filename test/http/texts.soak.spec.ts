import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PASSWORD, startApp, type TestApp } from '../support/app.js';
import { connectUsers, createConversation } from '../support/clients/chat-client.js';

let t: TestApp;
beforeAll(async () => {
  t = await startApp();
});
afterAll(() => t.stop());

const INVISIBLE = ['\u200b', ' \u2060\ufeff ', '\u00ad', '\u3164', '\u2800', '\u115f', '\u0301', '\u{e0020}', '\ufe0f'];
const TWO_LINES = ['Hana\u2028Sato', 'Hana\u2029Sato', 'Hana\nSato', 'Hana\u0085Sato', 'Hana\vSato'];
const REORDERED = ['Hana\u202eotaS', 'Hana\u2066Sato'];
/** Two code points each, which JavaScript libraries count as one character. */
const HEARTS = (count: number) => '\u2764\ufe0f'.repeat(count);

interface Field {
  name: string;
  max: number;
  send: (value: string) => Promise<{ status: number; body: { code?: string | undefined; errors?: unknown } }>;
}

const patchMe = async (body: object) => {
  const { token } = await t.user();
  return t.request('PATCH', '/api/users/me', { token, body });
};
let registrations = 0;

const FIELDS: Field[] = [
  {
    name: 'fullname',
    max: 100,
    send: (fullname) =>
      t.request('POST', '/api/users', {
        body: { username: `line-${++registrations}`, password: PASSWORD, fullname },
      }),
  },
  { name: 'fullname', max: 100, send: (fullname) => patchMe({ fullname }) },
  { name: 'address', max: 300, send: (address) => patchMe({ address }) },
  {
    name: 'name',
    max: 64,
    send: async (name) => t.request('POST', '/api/groups', { token: await t.asAdmin(), body: { name } }),
  },
  {
    name: 'reason',
    max: 500,
    send: async (reason) =>
      t.request('DELETE', '/api/moderation/users/0199c2a4-5b1e-7c3f-8f21-3d5a9b7c1e42/avatar', {
        token: await t.asAdmin(),
        body: { reason },
      }),
  },
  {
    name: 'name',
    max: 100,
    send: async (name) => {
      const path = '/api/users/me/passkeys/0199c2a4-5b1e-7c3f-8f21-3d5a9b7c1e42';
      return t.request('PATCH', path, { token: (await t.user()).token, body: { name } });
    },
  },
  {
    name: 'q',
    max: 100,
    send: async (q) => t.request('GET', `/api/users?q=${encodeURIComponent(q)}`, { token: await t.asAdmin() }),
  },
  {
    name: 'name',
    max: 100,
    send: (name) =>
      t.request('POST', '/api/create', {
        body: {
          name,
          email: `line-${++registrations}@example.org`,
          password: PASSWORD,
          nid: '1990040112345',
          phone_number: '+81312345678',
        },
      }),
  },
];

describe.each(FIELDS.map((field, index) => [`${index + 1}: "${field.name}"`, field] as const))(
  'a line of text, route %s',
  (_, { name, max, send }) => {
    it.each([...INVISIBLE, ...TWO_LINES, ...REORDERED])('refuses %j and names the field', async (value) => {
      const { status, body } = await send(value);
      expect([status, body.code]).toEqual([422, 'validation_failed']);
      expect(body.errors).toEqual([{ path: name, message: expect.stringContaining(name) }]);
    });

    it('counts code points, as the database does', async () => {
      const [longest, longer] = [await send(HEARTS(max / 2)), await send(HEARTS(max / 2 + 1))];
      expect(longest.body.code).not.toBe('validation_failed');
      expect(longest.status).toBeLessThan(405); // 404: the text was accepted, the row does not exist
      expect([longer.status, longer.body.errors]).toEqual([
        422,
        [{ path: name, message: expect.stringContaining(`${max} characters`) }],
      ]);
    });
  },
);

describe('a line of text', () => {
  it('is stored without blanks and zero-width characters at its ends', async () => {
    const { body } = await patchMe({ fullname: ' \u200bHana\u00a0Sato\u200b\ufeff ' });
    expect(body['fullname']).toBe('Hana\u00a0Sato');
  });

  it('keeps what a script or an emoji needs', async () => {
    for (const fullname of [
      'می\u200cخواهم',
      '👩\u200d👩\u200d👧',
      '\u2764\ufe0f',
      '🏴\u{e0067}\u{e0062}\u{e007f}',
      '李',
      '...',
    ]) {
      expect((await patchMe({ fullname })).body['fullname']).toBe(fullname);
    }
  });

  it('of 100 KB of blanks is refused within a second', async () => {
    const started = performance.now();
    expect((await patchMe({ fullname: `a${' '.repeat(99_000)}b` })).status).toBe(422);
    expect(performance.now() - started).toBeLessThan(1000);
  });
});

describe('the chat', () => {
  it('refuses the name of a conversation that is not a visible line, and trims the others', async () => {
    const [one] = await connectUsers(t, 1);
    for (const name of [...INVISIBLE, ...TWO_LINES, ...REORDERED, HEARTS(51)]) {
      const answer = await one!.ask('create_conversation', { members: [], name });
      expect([name, answer]).toEqual([
        name,
        { success: false, type: 'create_conversation', error: expect.stringMatching(/^name must /) },
      ]);
    }
    const { name } = await one!.get('create_conversation', { members: [], name: ` ${HEARTS(50)}\u200b` });
    expect(name).toBe(HEARTS(50));
  });

  it('refuses a message without a visible character, and keeps lines and blanks of the others', async () => {
    const [one] = await connectUsers(t, 1);
    const conversation_id = await createConversation(one!);
    for (const content of [...INVISIBLE, ' ', '\n\t']) {
      const { error } = await one!.ask('send_message', { conversation_id, content });
      expect([content, error]).toEqual([content, expect.stringMatching(/^content must .* visible character$/)]);
    }
    const content = ' two\nlines ';
    expect((await one!.get('send_message', { conversation_id, content })).content).toBe(content);
  });
});

describe('the blank that a mobile keyboard appends', () => {
  it.each(['/api/sessions', '/api/login', '/api/auth/login'])('does not change the login of POST %s', async (path) => {
    const { username } = await t.user();
    const login = path === '/api/login' ? `${username}@example.org` : username;
    for (const typed of [`${login} `, ` ${login}`, `${login}\u00a0`, `\u200b${login}\n`]) {
      const body = { [path === '/api/sessions' ? 'login' : 'username']: typed, password: PASSWORD };
      const { status } = await t.request('POST', path, { body });
      expect([typed, status]).toEqual([typed, expect.toSatisfy((code) => code >= 200 && code < 300)]);
    }
  });

  it('does not open a second count of failures for the login', async () => {
    const limited = await startApp({ env: { RATE_LIMITS: 'on' } });
    try {
      const { username } = await limited.user();
      const attempt = (login: string) =>
        limited.request('POST', '/api/sessions', { body: { login, password: 'wrong password' } });
      for (let i = 0; i < 5; i++) await attempt(`${username}${' '.repeat(i)}`);
      expect((await attempt(username)).status).toBe(429);
    } finally {
      await limited.stop();
    }
  });

  it('is no part of a username at registration, of an address for a reset, or of the name of a contact', async () => {
    const registered = await t.request('POST', '/api/users', {
      body: { username: 'ren.ito ', email: 'ren@example.org ', password: PASSWORD, fullname: 'Ren Ito' },
    });
    expect([registered.status, registered.body['username'], registered.body['email']]).toEqual([
      201,
      'ren.ito',
      'ren@example.org',
    ]);
    const reset = await t.request('POST', '/api/password-resets', { body: { email: ' ren@example.org' } });
    expect(reset.status).toBe(202);
    const [one] = await connectUsers(t, 1);
    const { contact } = await one!.get('add_contact', { contact_username: 'ren.ito ' });
    expect(contact).toMatchObject({ username: 'ren.ito' });
    const { members } = await one!.get('create_conversation', { members: [' ren.ito'] });
    expect(members).toContain('ren.ito');
  });
});

it.each(['', '  ', '\u200b'])('POST /api/create counts the address %j as absent', async (address) => {
  const email = `form-${++registrations}@example.org`;
  const fields = { name: 'Hana Sato', email, password: PASSWORD, nid: '1990040112345', phone_number: '+81312345678' };
  const answer = await t.request('POST', '/api/create', { body: { ...fields, address } });
  expect([answer.status, (answer.body as { address: unknown }).address]).toEqual([201, null]);
});
