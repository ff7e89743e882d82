import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import PostalMime from 'postal-mime';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createDatabase, type TestDatabase } from './support/setup/database.js';
import { dataFolder, launch, type MachiProcess, whenServing } from './support/servers/machi-process.js';
import { codeAt } from './support/clients/totp.js';

let machi: MachiProcess;
let database: TestDatabase;
const folder = dataFolder();
/** Every secret used in the run, by description. */
const secrets = new Map<string, string>();
const keep = (name: string, value: string): string => (secrets.set(name, value), value);

beforeAll(async () => {
  database = await createDatabase();
  const env = {
    NODE_ENV: 'test',
    LOG_LEVEL: 'trace',
    EXTERNAL_IDENTITY: 'trusted-subject',
    DATA_DIR: folder.path,
    SECRET_KEY: keep('the signing key', randomBytes(32).toString('hex')),
    ...database.env,
    ADMIN_PASSWORD: keep("the administrator's password", 'quiet lantern forty'),
  };
  machi = await whenServing(launch(env));
});
afterAll(async () => {
  await machi.kill('SIGTERM');
  await database.drop();
  folder.remove();
});

async function call(method: string, path: string, body?: object, headers: Record<string, string> = {}) {
  const response = await fetch(machi.url + path, {
    method,
    headers: { 'content-type': 'application/json', ...headers },
    ...(body ? { body: JSON.stringify(body) } : {}),
  });
  const text = await response.text();
  const isJson = response.headers.get('content-type')?.includes('json') && text !== '';
  return {
    status: response.status,
    cookie: response.headers.get('set-cookie') ?? '',
    body: (isJson ? JSON.parse(text) : {}) as Record<string, string>,
  };
}

const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

/** The newest mail of a kind, once it is there. */
async function mail(kind: string): Promise<string> {
  const find = () => {
    const names = readdirSync(join(folder.path, 'mail')).filter((name) => name.endsWith(`-${kind}.eml`));
    return names.toSorted().at(-1);
  };
  await expect.poll(find).toBeDefined();
  return (await PostalMime.parse(readFileSync(join(folder.path, 'mail', find()!)))).text!;
}

function keepSession(name: string, { identity_token, refresh_token }: Record<string, string>): string {
  keep(`the refresh token of ${name}`, refresh_token!);
  return keep(`the identity token of ${name}`, identity_token!);
}

/** Uses every way to sign in, except passkeys, which send no secret, with valid and invalid secrets. */
async function fullRun(): Promise<void> {
  const password = keep('a password', 'cloudy harbour seven');
  const email = 'rin.aoki@example.org';
  await call('POST', '/api/users', { username: 'rin', fullname: 'Rin', email, password });
  const link = /email-verifications\/(\S+)$/m.exec(await mail('email_verification'))![1]!;
  await call('POST', '/api/email-verifications', { token: keep('the token of a link', link) });
  await call('POST', '/api/sessions', { login: 'rin', password: keep('a wrong password', 'windy harbour eight') });
  await call('POST', '/api/sessions', { login: keep('a password typed as a name', 'hunter-hunter-2'), password });
  const { body: session } = await call('POST', '/api/sessions', { login: 'rin', password });
  const token = keepSession('a sign-in', session);
  const { body: next } = await call('POST', '/api/sessions/refresh', { refresh_token: session['refresh_token'] });
  keepSession('a refresh', next);
  await call('GET', `/api/users/me?access_token=${token}`, undefined, bearer(token));
  await call('GET', `/api/${token}`, undefined, { authorization: `Basic ${token}` });
  await call('POST', '/api/password-resets', { email });
  const code = keep('a reset code', /^ {4}(\d{8})$/m.exec(await mail('reset_code'))![1]!);
  const { body: reset } = await call('POST', '/api/password-resets/validate', { email, code });
  const reset_token = keep('a reset token', reset['reset_token']!);
  const another = keep('another password', 'silent meadow ninety');
  expect((await call('PUT', '/api/password-resets', { reset_token, password: another })).status).toBe(204);
  await call('POST', '/api/register', { username: 'sora', fullname: 'Sora', password });
  const { cookie } = await call('POST', '/api/auth/login', { username: 'sora', password });
  await call('GET', '/api/auth/verify', undefined, {
    cookie: `login-token=${keep('a cookie', cookie.split(/[=;]/)[1]!)}`,
  });
  const nid = keep('a national id', '19900401-998877');
  const registration = { name: 'Noor', email: 'noor@example.org', password, nid, phone_number: '+81312345678' };
  await call('POST', '/api/create', registration);
  await call('POST', '/api/login', { username: 'noor@example.org', password });
  const external = await call('GET', '/api/users/login', undefined, bearer('just_admins_identity'));
  keep('an access token', external.body['access_token']!);
  await call(
    'GET',
    '/api/users/login',
    undefined,
    bearer(keep('an old refresh token', external.body['refresh_token']!)),
  );
  await twoFactor(another);
}

async function twoFactor(password: string): Promise<void> {
  const { body } = await call('POST', '/api/sessions', { login: 'rin', password });
  const own = bearer(keepSession('the last sign-in', body));
  const { body: begun } = await call('POST', '/api/users/me/two-step', { current_password: password }, own);
  const secret = keep('the secret of an app', begun['secret']!);
  const confirmed = await call('POST', '/api/users/me/two-step/confirm', { code: codeAt(secret, Date.now()) }, own);
  const [recovery] = confirmed.body['recovery_codes'] as unknown as string[];
  const { body: asked } = await call('POST', '/api/sessions', { login: 'rin', password });
  const challenge = keep('a challenge', asked['challenge']!);
  const used = { challenge, code: keep('a recovery code', recovery!) };
  const { body: session } = await call('POST', '/api/sessions/two-step', used);
  keepSession('a two-factor sign-in', session);
}

/** Every row of every table, as the database writes it. */
async function dump(): Promise<string> {
  const client = new pg.Client(database.connection);
  await client.connect();
  const { rows: tables } = await client.query<{ name: string }>(
    `select quote_ident(table_name) as name from information_schema.tables where table_schema = 'public'`,
  );
  const texts = [];
  for (const { name } of tables) {
    const { rows } = await client.query<{ row: string }>(`select t::text as row from ${name} t`);
    texts.push(...rows.map(({ row }) => `${name} ${row}`));
  }
  await client.end();
  return texts.join('\n');
}

/** As it is, and as a column of bytes or a header would show it. */
const shapes = (secret: string): string[] => [
  secret,
  Buffer.from(secret).toString('hex'),
  Buffer.from(secret).toString('base64').replace(/=+$/, ''),
  encodeURIComponent(secret),
];

it('neither the database nor the logs contain a secret after requests to all routes that take one', async () => {
  await fullRun();
  expect(secrets.size).toBeGreaterThan(20);
  expect([...secrets.values()].filter((secret) => !secret)).toEqual([]);
  const [rows, log] = [await dump(), machi.output()];
  expect(rows).toContain('rin.aoki@example.org'); // the search would find what is there
  expect(log).toContain('/api/sessions/two-step');
  const found = (text: string) =>
    [...secrets].filter(([, secret]) => shapes(secret).some((shape) => text.includes(shape))).map(([name]) => name);
  expect(found(log)).toEqual([]);
  expect(found(rows)).toEqual([]);
});
