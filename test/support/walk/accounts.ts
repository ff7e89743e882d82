import { PASSWORD } from '../app.js';
import { formOf, imageFile } from '../files/images.js';
import { CookieJar } from '../clients/cookie-jar.js';
import { KanjikuClient, newUser, SESSION, USERS } from '../clients/kanjiku-client.js';
import { ORIGIN } from '../clients/passkey-client.js';
import { NEW_PASSWORD, recoveryClient } from '../clients/recovery-client.js';
import { addressOf, type Smtp } from '../servers/smtp-server.js';
import { codeAt } from '../clients/totp.js';
import { nationalId } from '../vaccination/vaccination.js';
import { VirtualAuthenticator } from '../clients/virtual-authenticator.js';
import type { Walker } from './walker.js';

const STEP_MS = 30_000;

/** Users, groups, sessions, the audit log, and what needs no sign-in. */
export async function walkAccounts(w: Walker): Promise<void> {
  const { t, person, admin } = w;
  const other = await t.user();
  const paths = ['health', 'health/live', 'health/ready', 'health/client', 'misc/ping', 'version'].map(
    (name) => `/api/${name}`,
  );
  for (const path of [...paths, '/.well-known/jwks.json']) await w.get(path, '');
  for (const path of ['/api/permissions', '/api/users/me', `/api/users/${other.id}`, '/api/sessions/current'])
    await w.get(path);
  for (const path of ['/api/users', '/api/users?q=person', '/api/sessions']) await w.list(path);
  await w.list('/api/groups', admin);
  await w.get('/api/groups');
  await w.get('/api/users?q=ha');
  for (const filter of ['', '?action=user.created', `?actor_id=${person.id}`, `?subject_id=${person.id}`])
    await w.list(`/api/audit${filter}`, admin);
  await w.list(`/api/users/${person.id}/sessions`, admin);
  const [first] = (await w.get('/api/groups', admin))['items'] as { id: string }[];
  await w.list(`/api/groups/${first!.id}/members`, admin);
  await w.get(`/api/groups/${first!.id}`, admin);

  const group = (await w.send('POST', '/api/groups', { token: admin, body: { name: 'Walkers' } }))['id'] as string;
  await w.send('PATCH', `/api/groups/${group}`, { token: admin, body: { permissions: ['early_access'] } });
  await w.send('PUT', `/api/groups/${group}/members/${other.id}`, { token: admin });
  await w.send('DELETE', `/api/groups/${group}/members/${other.id}`, { token: admin });
  await w.send('DELETE', `/api/groups/${group}`, { token: admin });

  await w.send('PATCH', '/api/users/me', { token: other.token, body: { fullname: 'Walker' } });
  await w.send('PATCH', `/api/users/${other.id}`, { token: admin, body: { fullname: 'Walker', is_active: true } });
  await w.send('DELETE', `/api/users/${other.id}/lock`, { token: admin });
  await w.send('PUT', '/api/users/me/password', {
    token: other.token,
    body: { current_password: PASSWORD, new_password: NEW_PASSWORD },
  });
  const login = { login: other.username, password: NEW_PASSWORD };
  const opened = await w.send('POST', '/api/sessions', { body: login });
  await w.send('POST', '/api/sessions/refresh', { body: { refresh_token: opened['refresh_token'] } });
  const sessions = await Promise.all(Array.from({ length: 2 }, () => w.send('POST', '/api/sessions', { body: login })));
  const [second, third] = sessions.map((session) => session['id'] as string);
  const token = (await w.send('POST', '/api/sessions', { body: login }))['identity_token'] as string;
  await w.send('DELETE', `/api/sessions/${second}`, { token });
  await w.send('DELETE', `/api/users/${other.id}/sessions/${third}`, { token: admin });
  await w.send('DELETE', '/api/sessions?except_current=true', { token });
  await w.send('DELETE', '/api/sessions/current', { token });
  await w.send('DELETE', '/api/sessions', { token: await t.signIn(other.username, NEW_PASSWORD) });
  await w.send('DELETE', `/api/users/${other.id}/sessions`, { token: admin });
  await w.send('DELETE', `/api/users/${other.id}`, { token: admin });

  const leaving = await w.send('POST', '/api/users', {
    body: { username: 'leaving', fullname: 'Leaving', password: PASSWORD, email: 'leaving@example.org' },
  });
  if (!leaving['id']) throw new Error('POST /api/users returned no id');
  await w.send('DELETE', '/api/users/me', { token: await t.signIn('leaving', PASSWORD), body: { password: PASSWORD } });
}

/** Two-factor authentication, passkeys, external identities, password resets, e-mail verification, data exports. */
export async function walkCredentials(w: Walker, smtp: Smtp): Promise<void> {
  const { t, admin } = w;
  const client = recoveryClient(
    () => t,
    () => smtp,
  );
  const withPassword = { current_password: PASSWORD };
  for (const path of ['two-factor', 'two-step', 'identities', 'passkeys']) await w.get(`/api/users/me/${path}`);

  for (const name of ['two-factor', 'two-step']) {
    const user = await t.user();
    const { token } = user;
    const path = `/api/users/me/${name}`;
    let secret = '';
    const code = (): string => codeAt(secret, (t.clock.advance(STEP_MS), t.clock.now()));
    const enable = async (): Promise<void> => {
      secret = String((await w.send('POST', path, { token, body: withPassword }))['secret']);
      await w.send('POST', `${path}/confirm`, { token, body: { code: code() } });
    };
    await enable();
    await w.send('POST', `${path}/recovery-codes`, { token, body: { ...withPassword, code: code() } });
    const { body } = await client.signIn(user.username);
    await w.send('POST', `/api/sessions/${name}`, { body: { challenge: body['challenge'], code: code() } });
    await w.send('DELETE', path, { token, body: { ...withPassword, code: code() } });
    await enable();
    await w.send('DELETE', `/api/users/${user.id}/${name}`, { token: admin });
  }

  const user = await t.verifiedUser();
  const { token } = user;
  const authenticator = new VirtualAuthenticator(ORIGIN);
  const options = await w.send('POST', '/api/users/me/passkeys/options', { token, body: withPassword });
  const credential = authenticator.create(options as never);
  const passkey = await w.send('POST', '/api/users/me/passkeys', { token, body: { credential } });
  const requested = await w.send('POST', '/api/sessions/passkey/options');
  await w.send('POST', '/api/sessions/passkey', { body: { credential: authenticator.get(requested as never) } });
  await w.send('PATCH', `/api/users/me/passkeys/${passkey['id']}`, { token, body: { name: 'Key' } });
  await w.send('DELETE', `/api/users/me/passkeys/${passkey['id']}`, { token, body: withPassword });

  const subject = { token: 'walker-subject', provider: 'trusted-subject' };
  const identity = await w.send('POST', '/api/users/me/identities', { token, body: { ...subject, ...withPassword } });
  await w.send('POST', '/api/sessions/exchange', { body: subject });
  await w.send('POST', '/api/sessions/exchange', { body: { ...subject, token: 'newcomer' } });
  await w.send('DELETE', `/api/users/me/identities/${identity['id']}`, { token, body: withPassword });

  await walkMails(w, client);
  await walkExports(w);
}

async function walkMails(w: Walker, client: ReturnType<typeof recoveryClient>): Promise<void> {
  const { t, admin } = w;
  const [one, two, three] = [await t.user(), await t.user(), await t.user()];
  const linkOf = async (user: { username: string }) => new URL(await client.mailbox.link(addressOf(user)));
  const tokenOf = async (user: { username: string }) => (await linkOf(user)).pathname.split('/').at(-1)!;
  await w.send('POST', '/api/users/me/email-verification', { token: one.token });
  await w.get(`/api/email-verifications/${await tokenOf(one)}`, '');
  await client.submit((await linkOf(one)).href, { password: PASSWORD });
  await w.send('POST', '/api/email-verifications', { token: two.token, body: { token: await tokenOf(two) } });
  await w.send('DELETE', '/api/email-verifications', { body: { token: await tokenOf(three) } });
  const email = addressOf(one);
  await w.send('POST', '/api/password-resets', { body: { email } });
  const body = { email, code: await client.mailbox.code(email) };
  const { reset_token } = await w.send('POST', '/api/password-resets/validate', { body });
  await w.send('PUT', '/api/password-resets', { body: { reset_token, password: NEW_PASSWORD } });
  await w.send('POST', `/api/users/${two.id}/password-reset`, { token: admin });
  await walkRemovalLink(w, client);
}

/** After a reset, a link in the mail removes the passkeys of the user. */
async function walkRemovalLink(w: Walker, client: ReturnType<typeof recoveryClient>): Promise<void> {
  const user = await w.t.verifiedUser();
  await client.addPasskey(user);
  await w.queryRow(`update passkeys set created_at = created_at - interval '40 days' where user_id = $1`, [user.id]);
  await w.t.signIn(user.username, PASSWORD);
  const { text } = await client.reset(user);
  const link = /^\s*(https?:\S+sign-in-method-removals\S+)\s*$/m.exec(text)?.[1];
  if (!link) throw new Error(`no removal link in ${text}`);
  const { pathname } = new URL(link);
  const path = pathname.slice(pathname.indexOf('/api/'));
  await w.get(path, '');
  await w.send('POST', path);
}

async function walkExports(w: Walker): Promise<void> {
  const { t } = w;
  const { token } = await t.user();
  const path = '/api/users/me/exports';
  await w.send('POST', path, { token, body: { current_password: PASSWORD } });
  while ((await w.get(`${path}/current`, token))['state'] === 'pending') continue;
  await w.get('/api/users/me/export', token);
  await w.sendRaw('GET', `${path}/current/file`, token);
  await w.send('DELETE', `${path}/current`, { token });
}

export async function walkAvatars(w: Walker): Promise<void> {
  const { t, person } = w;
  const moderator = await t.user('moderate_avatars');
  for (const state of ['', '?state=pending', '?state=approved'])
    await w.list(`/api/moderation/avatars${state}`, moderator.token);
  await w.sendRaw('GET', `/api/users/${person.id}/avatar?d=identicon`, undefined);
  const uploadOf = async (token: string, seed: number): Promise<string> =>
    String((await w.sendRaw('PUT', '/api/users/me/avatar', token, { body: formOf(await imageFile(seed)) }))['id']);
  const user = await t.user();
  const approved = await uploadOf(user.token, 3);
  await w.get('/api/users/me/avatar', user.token);
  await w.send('POST', `/api/moderation/avatars/${approved}/approve`, { token: moderator.token });
  await w.sendRaw('GET', `/api/users/${user.id}/avatar`, undefined);
  await w.sendRaw('GET', `/api/avatars/${approved}/64.webp`, undefined);
  const decision = { token: moderator.token, body: { reason: 'Shows another user.' } };
  await w.send('POST', `/api/moderation/avatars/${await uploadOf(user.token, 4)}/reject`, decision);
  await w.send('DELETE', `/api/moderation/users/${user.id}/avatar`, decision);
  await uploadOf((await t.user()).token, 5).then(() => undefined);
  const last = await t.user();
  await uploadOf(last.token, 6);
  await w.send('DELETE', '/api/users/me/avatar', { token: last.token });
}

/** The routes of the replaced systems. */
export async function walkCompat(w: Walker): Promise<void> {
  const { t } = w;
  const kanjiku = new KanjikuClient(t);
  const jar = new CookieJar();
  const { id } = await kanjiku.signedIn(newUser());
  const fields = newUser();
  await kanjiku.register(fields);
  jar.store((await kanjiku.login(jar, fields)).headers);
  for (const path of [SESSION, `${SESSION}/refresh`, `${USERS}?pagesize=50`, `${USERS}/me`, `${USERS}/${id}`]) {
    const { status, headers } = await kanjiku.send('GET', path, jar);
    if (status !== 200) throw new Error(`${path}: ${status}`);
    jar.store(headers);
  }
  await kanjiku.send('POST', `${SESSION}/logout`, jar, { logout_all: true });

  const viewer = { email: 'viewer@example.org', password: PASSWORD };
  await w.send('POST', '/api/auth/register', { body: viewer });
  const { refresh_token } = await w.send('POST', '/api/auth/login', { body: viewer });
  const renewed = await w.send('POST', '/api/auth/refresh', { body: { refresh_token } });
  await w.send('POST', '/api/auth/logout', { body: { refresh_token: renewed['refresh_token'] } });

  await w.send('POST', '/api/register', { body: { username: 'chatter', password: PASSWORD, fullname: 'Chatter' } });
  const cookie = `login-token=${await t.signIn('chatter', PASSWORD)}`;
  await w.send('GET', '/api/auth/verify', { headers: { cookie } });

  const bearer = { headers: { authorization: 'Bearer a-player' } };
  await w.send('GET', '/api/users/login', bearer);
  const { access_token } = await w.send('POST', '/api/users/login', bearer);
  await w.get('/api/users/profile', access_token as string);

  const email = 'old-form@example.org';
  const person = { name: 'Noor Haque', email, password: PASSWORD, nid: nationalId(), phone_number: '01700 000-000' };
  await w.send('POST', '/api/create', { body: person });
  const token = (await w.send('POST', '/api/login', { body: { username: email, password: PASSWORD } }))[
    'access_token'
  ] as string;
  await w.get('/api/profile', token);
  await w.send('POST', '/api/create', { body: { token } });
  const [registration] = (await w.send('POST', '/api/myvaccine', { body: { token } })) as unknown as { id: string }[];
  const staff = (await t.user('verify_registrations')).token;
  await w.send('POST', '/api/allvaccines', { body: { token: staff } });
  await w.send('POST', '/api/approve', { body: { token: staff, vaccination_id: registration!.id } });
}

/** The forgotten password of the old form, in its two spellings. */
export async function walkOldResets(w: Walker, smtp: Smtp): Promise<void> {
  const { mailbox } = recoveryClient(
    () => w.t,
    () => smtp,
  );
  for (const [ask, check] of [
    ['forgot_password', 'validate_code'],
    ['forgot', 'validate'],
  ] as const) {
    const email = addressOf(await w.t.user());
    await w.send('POST', `/api/${ask}`, { body: { email } });
    await w.send('POST', `/api/${check}`, { body: { email, code_from_user: await mailbox.code(email) } });
  }
}
