import type { NestExpressApplication } from '@nestjs/platform-express';
import { Test } from '@nestjs/testing';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { pino } from 'pino';
import { DataSource } from 'typeorm';
import { configureApp, NEST_OPTIONS } from '../../src/app.js';
import { AppModule } from '../../src/app.module.js';
import { Clock } from '../../src/common/clock.provider.js';
import { HttpAdapter } from '../../src/http/http-adapter.js';
import { serializeError } from '../../src/http/log/logger.js';
import type { DatabaseConnection } from '../../src/config/database/database-connection.js';
import { loadConfig } from '../../src/config/load-config.js';
import { clientConfig } from '../../src/database/connections/client-config.js';
import { newDataSource } from '../../src/database/data-source.js';
import { FirstAdministratorService } from '../../src/account/first-administrator.service.js';
import type { Permission } from '../../src/permissions/permissions.js';
import type { BodyOf, LooseBody } from './api/api-body.js';
import { TestClock } from './clock.js';
import { createDatabase } from './setup/database.js';
import { watchNestedConnections } from './statements/nested-connections.js';

/** A response; the type of the body follows from method and path (see `BodyOf`). */
export interface Answer<Body = LooseBody> {
  status: number;
  headers: Headers;
  /** The parsed JSON, or {} when there is none. */
  body: Body;
  text: string;
}

interface RequestOptions {
  token?: string | undefined;
  body?: unknown;
  headers?: Record<string, string>;
}

export interface SignedInUser {
  id: string;
  username: string;
  password: string;
  token: string;
}

/** Random values of the settings that are secret keys. */
export const newKeys = () => ({
  SECRET_KEY: randomBytes(32).toString('hex'),
  NATIONAL_ID_KEY: randomBytes(32).toString('hex'),
  NATIONAL_ID_INDEX_KEY: randomBytes(32).toString('hex'),
});

export const PASSWORD = 'cloudy harbour seven';
const ADMIN_PASSWORD = 'quiet lantern forty';

interface Settings {
  env?: Record<string, string>;
  /** How the application reaches its database, when not directly. */
  route?: (connection: DatabaseConnection) => Promise<DatabaseConnection>;
  pool?: { statementTimeout?: number };
  /** The database of another application, for a second node or a restart; that one drops it. */
  database?: DatabaseConnection;
}

export type TestApp = Awaited<ReturnType<typeof startApp>>;

/** The real application on a real database of its own, listening on a free port of the loopback interface. */
export async function startApp({ env = {}, route, pool = {}, database: shared }: Settings = {}) {
  const database = shared ? { connection: shared, drop: () => Promise.resolve() } : await createDatabase();
  const folder = mkdtempSync(join(tmpdir(), 'machi-app-'));
  const config = loadConfig({
    NODE_ENV: 'test',
    DATA_DIR: folder,
    ...newKeys(),
    BCRYPT_COST: '4',
    ADMIN_PASSWORD,
    RATE_LIMITS: 'off',
    ...env,
  });
  const logLines: string[] = [];
  const log = pino({ level: 'trace', serializers: { err: serializeError } }, { write: (line) => logLines.push(line) });
  const clock = new TestClock();
  const connection = route ? await route(database.connection) : database.connection;
  const dataSource: DataSource = await newDataSource(connection, { size: 20, ...pool }).initialize();
  const nestedConnections = watchNestedConnections(dataSource);
  const module = await Test.createTestingModule({ imports: [AppModule.forRoot(config, dataSource)] })
    .overrideProvider(Clock)
    .useValue(clock)
    .compile();
  const app = configureApp(
    module.createNestApplication<NestExpressApplication>(new HttpAdapter(), { ...NEST_OPTIONS, logger: false }),
    config,
    log,
  );
  await app.init();
  await app.get(FirstAdministratorService).ensure();
  await app.listen(0, '127.0.0.1');
  const { port } = app.getHttpServer().address() as AddressInfo;
  const url = `http://127.0.0.1:${port}`;

  async function request<Method extends string, Path extends string>(
    method: Method,
    path: Path,
    { token, body, headers = {} }: RequestOptions = {},
  ): Promise<Answer<BodyOf<Method, Path>>> {
    const response = await fetch(url + path, {
      method,
      redirect: 'manual',
      headers: {
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    const text = await response.text();
    const isJson = text !== '' && response.headers.get('content-type')?.includes('json');
    const parsed = (isJson ? JSON.parse(text) : {}) as BodyOf<Method, Path>;
    return { status: response.status, headers: response.headers, text, body: parsed };
  }

  async function signIn(login: string, password: string): Promise<string> {
    const { status, body, text } = await request('POST', '/api/sessions', { body: { login, password } });
    if (status !== 201) throw new Error(`sign-in of ${login}: ${status} ${text}`);
    return body['identity_token'];
  }

  let counter = 0;
  let adminToken: { token: string; made: number } | undefined;

  async function asAdmin(): Promise<string> {
    const isOld = !adminToken || Math.abs(clock.now() - adminToken.made) > 60_000; // a test moved the clock
    if (isOld) adminToken = { token: await signIn('admin', ADMIN_PASSWORD), made: clock.now() };
    return adminToken!.token;
  }

  /** A registered, signed-in user; in a group of their own with these permissions, if any. */
  async function user(...permissions: Permission[]): Promise<SignedInUser> {
    const username = `user${++counter}`;
    const registered = await request('POST', '/api/users', {
      body: { username, password: PASSWORD, fullname: `User ${counter}`, email: `${username}@example.org` },
    });
    const id = registered.body['id'];
    if (permissions.length > 0) {
      const token = await asAdmin();
      const group = await request('POST', '/api/groups', {
        token,
        body: { name: `group of ${username}`, permissions },
      });
      await request('PUT', `/api/groups/${group.body['id']}/members/${id}`, { token });
    }
    return { id, username, password: PASSWORD, token: await signIn(username, PASSWORD) };
  }

  /** A user whose e-mail address is verified, as far as the database knows. */
  async function verifiedUser(...permissions: Permission[]): Promise<SignedInUser> {
    const newUser = await user(...permissions);
    await dataSource.query('update users set email_verified_at = $2 where id = $1', [newUser.id, clock.date()]);
    return newUser;
  }

  /** For statements that insert many rows: those of the pool end after 10 s, which a busy machine may need. */
  async function queryWithoutTimeLimit(sql: string, values: unknown[] = []): Promise<void> {
    const client = new Client(clientConfig(database.connection, { statementTimeout: 0 }));
    await client.connect();
    try {
      await client.query(sql, values);
    } finally {
      await client.end();
    }
  }

  /** A cold pool lets requests through one by one as its connections open, and hides races. */
  async function warmUp(): Promise<void> {
    const token = await asAdmin();
    await Promise.all(Array.from({ length: 40 }, () => request('GET', '/api/users', { token })));
  }

  return {
    app,
    clock,
    config,
    connection: database.connection,
    dataSource,
    logLines,
    port,
    queryWithoutTimeLimit,
    request,
    signIn,
    asAdmin,
    url,
    user,
    verifiedUser,
    warmUp,
    async stop(): Promise<void> {
      // Node waits for connections that fetch opened and did not use; some are opened after requests were aborted.
      const closing = setInterval(() => app.getHttpServer().closeAllConnections(), 100);
      app.getHttpServer().closeAllConnections();
      await app.close().finally(() => clearInterval(closing));
      await database.drop();
      rmSync(folder, { recursive: true, force: true });
      const nested = nestedConnections();
      if (nested.length > 0) throw new Error(`A transaction used a second connection:\n${nested.join('\n')}`);
    },
  };
}
