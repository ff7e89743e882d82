import { randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { MailWorker } from '../../src/mail/mail.worker.js';
import { newKeys, type SignedInUser, startApp, type TestApp } from '../support/app.js';
import { connect, createConversation } from '../support/clients/chat-client.js';
import { databaseEnv } from '../support/setup/database.js';
import { imageFile, upload } from '../support/files/images.js';
import { dataFolder, launch, type MachiProcess, whenServing } from '../support/servers/machi-process.js';
import { type Span, startOtlpReceiver } from '../support/servers/otlp-receiver.js';
import { hasRedis, startRedis } from '../support/servers/redis-server.js';
import { freePort } from '../support/servers/postgres-server.js';
import { startS3 } from '../support/servers/s3-server.js';
import { startSmtp } from '../support/servers/smtp-server.js';
import { nationalId, person } from '../support/vaccination/vaccination.js';

const SERVER = 2;
const CLIENT = 3;

const folder = dataFolder();
let t: TestApp;
let machi: MachiProcess;
let user: SignedInUser;
let receiver: Awaited<ReturnType<typeof startOtlpReceiver>>;
let s3: Awaited<ReturnType<typeof startS3>>;
let smtp: Awaited<ReturnType<typeof startSmtp>>;
let redis: Awaited<ReturnType<typeof startRedis>> | undefined;
beforeAll(async () => {
  const env = { ...newKeys(), NODE_ENV: 'test' };
  [receiver, s3, smtp] = await Promise.all([startOtlpReceiver(), startS3(), startSmtp()]);
  if (hasRedis) redis = await startRedis();
  t = await startApp({ env });
  user = await t.user();
  await t.app.get(MailWorker).beforeApplicationShutdown(); // it would send the mails of the process, without a span
  machi = await whenServing(
    launch({
      ...env,
      ...databaseEnv(t.connection),
      ...receiver.env,
      ...s3.env,
      ...(redis ? { BUS: 'redis', REDIS_URL: redis.url } : {}),
      DATA_DIR: folder.path,
      SMTP_URL: smtp.url,
      MAIL_FROM: 'machi@example.org',
    }),
  );
});
afterAll(async () => {
  await machi.kill('SIGTERM');
  await Promise.all([receiver.stop(), s3.remove(), smtp.stop(), redis?.remove(), t.stop()]);
  folder.remove();
});

const call = (method: string, path: string, headers: Record<string, string> = {}, body?: object): Promise<Response> =>
  fetch(machi.url + path, {
    method,
    headers: { authorization: `Bearer ${user.token}`, 'content-type': 'application/json', ...headers },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });

/** Waits for a span. */
async function spanOf(isWanted: (span: Span) => boolean): Promise<Span> {
  await expect.poll(() => receiver.spans().find(isWanted)).toBeDefined();
  return receiver.spans().find(isWanted)!;
}
/** Waits for a span below another one, at any depth, of the same trace. */
const within = ({ traceId }: Span, isWanted: (span: Span) => boolean): Promise<Span> =>
  spanOf((span) => span.traceId === traceId && isWanted(span));

const isQuery = ({ scope, attributes }: Span): boolean =>
  scope.endsWith('instrumentation-pg') && attributes['db.query.text'] !== undefined;

describe('with an endpoint of OpenTelemetry', () => {
  it('a request is a span with its queries as children, and its log line names the trace', async () => {
    const id = randomBytes(16).toString('hex');
    const parent = randomBytes(8).toString('hex');
    await call('GET', '/api/users/me', { traceparent: `00-${id}-${parent}-01` });
    const request = await spanOf((span) => span.traceId === id && span.kind === SERVER);
    expect(request).toMatchObject({ name: 'GET /api/users/me', parentSpanId: parent });
    expect(request.attributes).toMatchObject({
      'http.request.method': 'GET',
      'http.route': '/api/users/me',
      'http.response.status_code': 200,
    });
    const query = await within(
      request,
      (span) => isQuery(span) && String(span.attributes['db.query.text']).startsWith('select'),
    );
    expect(query.attributes).toMatchObject({ 'db.system.name': 'postgresql' });
    const findLine = (): string | undefined =>
      machi
        .output()
        .split('\n')
        .find((text) => text.includes('"path":"/api/users/me"') && text.includes(`"trace_id":"${id}"`));
    await expect.poll(findLine).toContain(`"span_id":"${request.spanId}"`); // the log is written in the background
  });

  it('a batch of messages of the chat is one span', async () => {
    const chat = await connect({ url: machi.url }, user);
    const conversation_id = await createConversation(chat);
    for (const content of ['one', 'two', 'three']) chat.send({ type: 'send_message', conversation_id, content });
    for (let i = 0; i < 3; i++) await chat.next();
    await chat.close();
    const batch = await spanOf(({ name }) => name === 'chat batch');
    expect(batch.parentSpanId ?? '').toBe('');
    const query = await within(batch, isQuery);
    expect(query.parentSpanId).toBe(batch.spanId);
    expect(query.attributes['db.query.text']).toContain('from append_message');
    const batches = receiver.spans().filter(({ name }) => name === 'chat batch');
    const messages = batches.reduce((sum, { attributes }) => sum + Number(attributes['machi.chat.messages']), 0);
    expect(messages).toBe(3);
  });

  it.skipIf(!hasRedis)(
    'publishing a message to Redis is a span of its batch, without the channel and the text',
    async () => {
      const chat = await connect({ url: machi.url }, user);
      const conversation_id = await createConversation(chat);
      const content = `Text ${randomBytes(6).toString('hex')}`;
      await chat.get('send_message', { conversation_id, content });
      await chat.close();
      const isPublishing = ({ scope, name }: Span): boolean =>
        scope.endsWith('instrumentation-ioredis') && name === 'spublish';
      const isOfBatch = (span: Span): boolean =>
        isPublishing(span) &&
        receiver.spans().some(({ name, spanId }) => name === 'chat batch' && spanId === span.parentSpanId);
      const publishing = await spanOf(isOfBatch);
      expect(publishing).toMatchObject({ kind: CLIENT, attributes: { 'db.system.name': 'redis' } });
      expect(receiver.received()).not.toContain(content);
      expect(receiver.received()).not.toContain('machi:');
    },
  );

  it('an upload contains the calls of S3, and sending a mail is a span', async () => {
    const { status } = await upload({ url: machi.url } as TestApp, user, await imageFile(1));
    expect(status).toBe(202);
    const request = await spanOf(({ name }) => name === 'PUT /api/users/me/avatar');
    const put = await within(request, ({ scope, name }) => scope.endsWith('aws-sdk') && name.includes('PutObject'));
    expect(put.attributes).toMatchObject({ 'aws.s3.bucket': 'machi', 'rpc.method': 'PutObject' });
    const registration = {
      username: 'taro',
      password: 'cloudy harbour seven',
      fullname: 'Taro',
      email: 'taro@example.org',
    };
    expect((await call('POST', '/api/users', { authorization: '' }, registration)).status).toBe(201);
    const mail = await spanOf(
      ({ name, attributes }) => name === 'send mail' && attributes['machi.mail.channel'] === 'email',
    );
    expect(mail.kind).toBe(CLIENT);
  });

  it('exports no token, password, id number, address, parameter, address of a client or text of a user', async () => {
    const secrets = {
      token: randomBytes(24).toString('base64url'),
      password: `${randomBytes(6).toString('hex')} harbour`,
      idNumber: nationalId(),
      email: `${randomBytes(6).toString('hex')}@example.org`,
      name: `Name${randomBytes(12).toString('hex').replaceAll(/\d/g, 'x')}`, // long numbers are refused in names
      phone: '01799988877',
      message: `Text ${randomBytes(6).toString('hex')}`,
      cookie: randomBytes(12).toString('hex'),
      agent: `agent-${randomBytes(6).toString('hex')}`,
    };
    const { token, password, idNumber, email, name, phone } = secrets;
    const headers = { cookie: `login-token=${secrets.cookie}`, 'user-agent': secrets.agent, baggage: `user=${name}` };
    const before = receiver.spans().length;
    await call('GET', `/api/users/me?token=${token}&access_token=${token}`, headers);
    await call('GET', `/feeds/${token}.xml`);
    await call('GET', `/api/users/${email}`);
    await call('GET', `/api/projects?q=${encodeURIComponent(name)}`);
    await call('GET', '/api/users/me', { authorization: `Bearer ${token}` });
    await call('POST', '/api/sessions', headers, { login: email, password });
    const fields = person({ id_number: idNumber, legal_name: name, phone });
    expect((await call('POST', '/api/vaccination/registrations', {}, fields)).status).toBe(201);
    await call('POST', '/api/vaccination/registrations', {}, { ...fields, date_of_birth: name });
    await call('POST', '/api/password-resets', {}, { email });
    const chat = await connect({ url: machi.url }, user);
    const conversation_id = await createConversation(chat);
    await chat.get('send_message', { conversation_id, content: secrets.message });
    await chat.ask('send_message', { conversation_id, content: secrets.message, nonce: secrets.token, reply_id: 99 });
    await chat.close();
    await spanOf(({ name: of }) => of === 'POST /api/password-resets');
    expect(receiver.spans().length).toBeGreaterThan(before + 20);
    await machi.kill('SIGTERM'); // what is left is sent when the process ends
    expect(machi.output()).not.toContain('Unexpected error');
    const { S3_SECRET_ACCESS_KEY } = s3.env;
    const all = [
      ...Object.values(secrets),
      user.token,
      user.password,
      S3_SECRET_ACCESS_KEY,
      ':word@',
      'taro',
      '127.0.0.1:',
    ];
    expect(all.filter((secret) => receiver.received().includes(secret))).toEqual([]);
    expect(receiver.received()).not.toMatch(/user_agent|client\.address|peer\.(ip|address)/);
    expect(receiver.received()).not.toMatch(/Bearer|eyJ[\w-]+\./);
  });
});

it('a collector that does not answer is logged once, and again when it does', async () => {
  const port = await freePort();
  const own = dataFolder();
  const variables = { OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}`, OTEL_EXPORTER_OTLP_TIMEOUT: '300' };
  const env = { ...newKeys(), ...databaseEnv(t.connection), ...receiver.env, ...variables, DATA_DIR: own.path };
  const traced = await whenServing(launch(env));
  onTestFinished(async () => {
    await traced.kill('SIGTERM');
    own.remove();
  });
  const request = (): Promise<Response> => fetch(`${traced.url}/api/misc/ping`);
  const failures = (): number => traced.output().match(/Exporting traces failed \(.+\); spans are lost/g)?.length ?? 0;
  await request();
  await expect.poll(failures, { timeout: 10_000 }).toBe(1);
  const collector = createServer((_, response) => response.setHeader('content-type', 'application/json').end('{}'));
  collector.listen(port, '127.0.0.1');
  const isLogged = async (): Promise<boolean> => {
    await request();
    return traced.output().includes('Traces are exported again');
  };
  await expect.poll(isLogged, { timeout: 10_000 }).toBe(true);
  expect(failures()).toBe(1);
  collector.close();
});

it('without variables of OpenTelemetry no library of it is loaded besides its interface', async () => {
  const report = `data:text/javascript,${encodeURIComponent(
    'import { createRequire } from "node:module"; const { cache } = createRequire("file:///x.js");' +
      'process.on("exit", () => console.log("LOADED", Object.keys(cache).filter((path) => path.includes("@opentelemetry") && !path.includes("@opentelemetry/api/")).length, Object.keys(cache).length));',
  )}`;
  const off = dataFolder();
  const env = { ...newKeys(), ...databaseEnv(t.connection), DATA_DIR: off.path };
  const plain = await whenServing(launch(env, 'main', { options: ['--import', report] }));
  await plain.kill('SIGTERM');
  off.remove();
  expect(plain.output()).toMatch(/LOADED 0 \d{2,}/);
});
