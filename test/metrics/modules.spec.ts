import { randomBytes, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { request as sendRequest } from 'node:http';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startApp, type TestApp } from '../support/app.js';
import { insertPerson } from '../support/vaccination/bookings.js';
import { connect, connectUsers, createConversation } from '../support/clients/chat-client.js';
import { imageFile, upload } from '../support/files/images.js';
import { metricsOf } from '../support/metrics.js';
import { sent } from '../support/servers/smtp-server.js';
import { vaccinationWorld } from '../support/vaccination/vaccination.js';

const METRICS_TOKEN = randomBytes(24).toString('base64url');

let t: TestApp;
beforeAll(async () => {
  t = await startApp({ env: { METRICS_TOKEN, RATE_LIMITS: 'on' } });
});
afterAll(() => t.stop());

const { scrape, series, valueOf } = metricsOf(() => t, METRICS_TOKEN);

it('counts sign-ins by method and result, and refusals by the name of the limit', async () => {
  const { username, password } = await t.user();
  const signIn = (word: string) => t.request('POST', '/api/sessions', { body: { login: username, password: word } });
  const counted = (result: string) => valueOf(`machi_sign_ins_total{method="password",result="${result}"}`);
  const before = (await counted('ok')) ?? 0;
  expect((await signIn(password)).status).toBe(201);
  expect(await counted('ok')).toBe(before + 1);
  for (let i = 0; i < 6; i++) await signIn('wrong words here');
  const { body } = await signIn('wrong words here');
  expect(body.code).toBe('rate_limited');
  expect(await counted('invalid_credentials')).toBe(5);
  expect(await counted('rate_limited')).toBe(2);
  expect(await valueOf('machi_rate_limited_total{limit="sign-in"}')).toBe(2);
  const challenge = randomBytes(32).toString('base64url');
  await t.request('POST', '/api/sessions/two-factor', { body: { challenge, code: '123456' } });
  expect(await valueOf('machi_sign_ins_total{method="two_factor",result="invalid_challenge"}')).toBe(1);
});

it('counts bookings that succeed, that repeat an earlier one, and that are refused, by code', async () => {
  const world = await vaccinationWorld(t);
  const session = await world.session({ capacity: 1 });
  const [user, late] = [await t.user(), await t.user()];
  const [person, latePerson] = [await insertPerson(t, user), await insertPerson(t, late)];
  const book = (token: string, registration_id: string, key: string = randomUUID()) =>
    t.request('POST', '/api/vaccination/appointments', {
      token,
      headers: { 'idempotency-key': key },
      body: { registration_id, session_id: session.id },
    });
  const key = randomUUID();
  expect((await book(user.token, person, key)).status).toBe(201);
  expect((await book(user.token, person, key)).status).toBe(201);
  expect((await book(user.token, person)).body.code).toBe('already_booked');
  expect((await book(late.token, latePerson)).body.code).toBe('session_full');
  for (const result of ['ok', 'repeated', 'already_booked', 'session_full'])
    expect([result, await valueOf(`machi_bookings_total{kind="booking",result="${result}"}`)]).toEqual([result, 1]);
  expect(await valueOf('machi_bookings_waiting')).toBe(0);
});

it('counts uploads and the images that are made of them', async () => {
  const user = await t.user();
  expect((await upload(t, user, await imageFile(1))).status).toBe(202);
  expect((await upload(t, user, Buffer.from('not an image'))).body.code).toBe('unsupported_picture');
  expect(await valueOf('machi_uploads_total{kind="avatar",result="ok"}')).toBe(1);
  expect(await valueOf('machi_uploads_total{kind="avatar",result="unsupported_picture"}')).toBe(1);
  expect(await valueOf('machi_uploads_active{kind="avatar"}')).toBe(0);
  expect(await valueOf('machi_image_jobs_total{kind="square",result="ok"}')).toBe(1);
  expect(await valueOf('machi_image_jobs_total{kind="square",result="unsupported_picture"}')).toBe(1);
  expect(await valueOf('machi_image_job_duration_seconds_count{kind="square"}')).toBe(2);
  expect(await valueOf('machi_image_jobs_running')).toBe(0);
});

it('counts connections, frames, messages and deliveries of the chat', async () => {
  const [first, second] = await connectUsers(t, 2);
  const id = await createConversation(first!, second!);
  const sends = async () => (await valueOf('machi_chat_sends_total{result="stored"}')) ?? 0;
  const [sendsBefore, deliveriesBefore] = [await sends(), await valueOf('machi_chat_deliveries_total')];
  for (const content of ['one', 'two']) await first!.get('send_message', { conversation_id: id, content });
  await first!.ask('send_message', { conversation_id: 999_999, content: 'to no conversation' });
  await first!.ask('no_such_request');
  expect(await valueOf('machi_chat_connections')).toBe(2);
  expect(await valueOf('machi_chat_users')).toBe(2);
  expect(await sends()).toBe(sendsBefore + 2);
  expect(await valueOf('machi_chat_sends_total{result="not_a_member"}')).toBe(1);
  expect(await valueOf('machi_chat_deliveries_total')).toBe(deliveriesBefore! + 4);
  expect(await valueOf('machi_chat_refused_frames_total{code="invalid_frame"}')).toBe(1);
  expect(await valueOf('machi_chat_append_duration_seconds_count')).toBe(3);
  expect(await valueOf('machi_chat_send_queue_bytes')).toBe(0);
  expect(await valueOf('machi_chat_messages_waiting')).toBe(0);
  const user = await t.user();
  const client = await connect(t, user);
  await t.request('DELETE', '/api/sessions/current', { token: user.token });
  await client.end();
  expect(await valueOf('machi_chat_connections_closed_total{reason="signed_out"}')).toBe(1);
  await Promise.all([first!.close(), second!.close()]);
  await expect.poll(() => valueOf('machi_chat_connections')).toBe(0);
});

it('tells how many messages wait in the outbox, how old they are, and what became of the others', async () => {
  await sent(t);
  expect(await valueOf('machi_mail_outbox_messages{channel="sms"}')).toBe(0);
  expect(await valueOf('machi_mail_outbox_oldest_seconds{channel="sms"}')).toBe(0);
  expect(await valueOf('machi_mail_attempts_total{channel="email",result="sent"}')).toBeGreaterThan(0);
  const now = t.clock.now();
  await t.dataSource.query(
    `insert into mails (id, channel, kind, address_key, encrypted_content, created_at, due_at, expires_at)
      values ($1, 'sms', 'test', '\\x00', '\\x00', $2, $3, $3)`,
    [randomUUID(), new Date(now - 900_000), new Date(now + 3_600_000)],
  );
  expect(await valueOf('machi_mail_outbox_messages{channel="sms"}')).toBe(1);
  const age = await valueOf('machi_mail_outbox_oldest_seconds{channel="sms"}');
  expect(age).toBeGreaterThanOrEqual(900);
  expect(age).toBeLessThan(930);
});

it('reports the checks of readiness, the bus and the version', async () => {
  for (const check of ['process', 'database', 'migrations', 'notifications', 'storage', 'mail'])
    expect([check, await valueOf(`machi_health{check="${check}"}`)]).toEqual([check, 1]);
  expect(await valueOf('machi_bus_published_total')).toBeDefined();
  expect(await scrape()).toMatch(/^machi_build_info\{version="\d+\.\d+\.\d+"\} 1$/m);
});

it('keeps the number of series bounded under hostile traffic, and no label holds an id or a name', async () => {
  const marks = Array.from({ length: 65 }, (_, i) => `mark${i}${randomBytes(5).toString('hex')}`);
  const user = await t.user();
  const chat = await connect(t, user);
  await attack(marks, user.token);
  for (const mark of marks) chat.send({ type: mark, conversation_id: mark, content: mark, request_id: mark });
  await once(chat.socket, 'message');
  await expect
    .poll(async () => (await valueOf('machi_chat_refused_frames_total{code="invalid_frame"}'))!)
    .toBeGreaterThan(59);
  await chat.close();
  const text = await scrape();
  for (const secret of [...marks, user.id, user.username, METRICS_TOKEN]) expect(text).not.toContain(secret);
  const all = await series();
  const values = new Set(
    all.flatMap(({ labels }) => Object.entries(labels).map(([name, value]) => `${name}=${value}`)),
  );
  const odd = [...values].filter(
    (value) => !/^(le|quantile)=[\d.+Inf]+$|^status=(\d{3}|aborted)$|^\w+=[\w./:*(){}?-]{1,90}$/.test(value),
  );
  expect(odd).toEqual([]);
  expect([...values].filter((value) => /[0-9a-f]{8}-?[0-9a-f]{4}|\d{5}/.test(value))).toEqual([]);
  const count = async (): Promise<number> => (await series()).filter(({ name }) => /^(http|machi)_/.test(name)).length;
  const before = await count();
  await attack(
    marks.map((mark) => `x${mark}`),
    user.token,
  );
  expect(await count()).toBeLessThan(before + 10); // a label for each word would add 65
});

/** Requests with these words as paths, ids, parameters, names, tokens and methods. */
async function attack(words: string[], token: string): Promise<void> {
  for (const [i, word] of words.entries()) {
    await Promise.all([
      t.request('GET', `/api/${word}`),
      t.request('GET', `/api/users/${word}?${word}=${word}`, { token }),
      t.request('DELETE', `/api/sessions/${word}`, { token }),
      t.request('PUT', `/${word}/${word}`, { headers: { 'x-request-id': word, host: 'localhost' } }),
      t.request('GET', '/api/users/me', { token: word }),
      t.request('POST', '/api/sessions', { body: { login: word, password: word } }),
      t.request('POST', '/api/vaccination/appointments', { token, body: { registration_id: word, session_id: word } }),
      rawMethod(['PROPFIND', 'MKCOL', 'PURGE', 'TRACE', 'M-SEARCH'][i % 5]!, `/api/${word}`),
    ]);
  }
}

async function rawMethod(method: string, path: string): Promise<void> {
  const sending = sendRequest(t.url + path, { method }).end();
  const [answer] = (await once(sending, 'response')) as [NodeJS.ReadableStream];
  await once(answer.resume(), 'close');
}
