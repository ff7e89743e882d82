import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { pino } from 'pino';
import { parseDatabaseUrl } from '../../src/config/database/database-connection.js';
import { newDataSource } from '../../src/database/data-source.js';
import { reachDatabase } from '../../src/database/connections/reach-database.js';
import { type Certificates, createCertificates, hasOpenssl } from '../support/vaccination/certificates.js';
import { dataFolder, launch, whenServing } from '../support/servers/machi-process.js';
import { hasIpv6, query, startPostgresServer } from '../support/servers/postgres-server.js';

type Server = Awaited<ReturnType<typeof startPostgresServer>>;

describe.skipIf(!hasOpenssl)('TLS to PostgreSQL:', () => {
  let folder: string;
  let files: Certificates;
  /** One server for each rule about TLS: both ways, TLS only, plain text only (but TLS offered), and no TLS at all. */
  const servers = {} as Record<'both' | 'only' | 'never' | 'none', Server>;
  const PASSWORD = 'scram-sha-256';

  beforeAll(async () => {
    folder = fs.mkdtempSync(join(tmpdir(), 'machi-tls-'));
    files = createCertificates(folder);
    const tls = { ssl: 'on', ssl_cert_file: 'server.pem', ssl_key_file: 'server.key', ssl_ca_file: 'authority.pem' };
    const copies = {
      'server.pem': files.server.cert,
      'server.key': files.server.key,
      'authority.pem': files.authority,
    };
    const start = (settings: Record<string, string>, ...access: string[]) =>
      startPostgresServer({ settings, access, files: copies });
    const certificate = 'hostssl all machi all cert';
    servers.both = await start(tls, certificate, `host all all all ${PASSWORD}`);
    servers.only = await start(tls, `hostssl all all all ${PASSWORD}`);
    servers.never = await start(tls, `hostnossl all all all ${PASSWORD}`);
    servers.none = await start({}, `host all all all ${PASSWORD}`);
    await query(servers.both.connection, 'create role machi login');
  });
  afterAll(async () => {
    await Promise.all(Object.values(servers).map((server) => server.stop()));
    fs.rmSync(folder, { recursive: true });
  });

  const urlOf = ({ connection }: Server, parameters: string, host = 'localhost'): string =>
    `postgres://postgres:${connection.password}@${host}:${connection.port}/postgres?${parameters}`;

  /** Whether the pool of a start with this URL uses TLS; otherwise the reason why it cannot connect. */
  async function tlsOf(url: string): Promise<boolean | string> {
    const log = pino({ level: 'silent' });
    try {
      const { connection } = await reachDatabase(parseDatabaseUrl(url), undefined, log);
      const dataSource = await newDataSource(connection, { size: 2 }).initialize();
      const [row] = await dataSource.query<{ ssl: boolean }[]>(
        'select ssl from pg_stat_ssl where pid = pg_backend_pid()',
      );
      await dataSource.destroy();
      return row!.ssl;
    } catch (error) {
      return (error as Error).message;
    }
  }

  describe('sslmode has the meaning of libpq:', () => {
    it.each<[mode: string, expected: Record<keyof typeof servers, boolean | RegExp>]>([
      ['sslmode=disable', { both: false, only: /no encryption/, never: false, none: false }],
      ['sslmode=allow', { both: false, only: true, never: false, none: false }],
      ['sslmode=prefer', { both: true, only: true, never: false, none: false }],
      ['', { both: true, only: true, never: false, none: false }],
      ['sslmode=require', { both: true, only: true, never: /SSL encryption/, none: /does not support SSL/ }],
      ['ssl=true', { both: true, only: true, never: /SSL encryption/, none: /does not support SSL/ }],
    ])('%s', async (parameters, expected) => {
      for (const [name, server] of Object.entries(servers)) {
        const result = expected[name as keyof typeof servers];
        const actual = await tlsOf(urlOf(server, parameters));
        if (result instanceof RegExp) expect(actual, name).toMatch(result);
        else expect(actual, name).toBe(result);
      }
    });

    it.each<[title: string, mode: string, authority: keyof Certificates | 'system', host: string, RegExp | true]>([
      ['verify-ca accepts another name', 'verify-ca', 'authority', '127.0.0.1', true],
      [
        'verify-ca refuses another authority',
        'verify-ca',
        'otherAuthority',
        'localhost',
        /unable to verify|self.signed/,
      ],
      ['verify-full accepts its name and authority', 'verify-full', 'authority', 'localhost', true],
      ['verify-full refuses another name', 'verify-full', 'authority', '127.0.0.1', /not in the cert's list/],
      [
        'verify-full refuses another authority',
        'verify-full',
        'otherAuthority',
        'localhost',
        /unable to verify|self.signed/,
      ],
      [
        'verify-full trusts public authorities only by default',
        'verify-full',
        'system',
        'localhost',
        /unable to verify|self.signed/,
      ],
      [
        'require with a root certificate verifies the authority',
        'require',
        'otherAuthority',
        'localhost',
        /unable to verify|self.signed/,
      ],
      ['require with a root certificate accepts another name', 'require', 'authority', '127.0.0.1', true],
    ])('%s', async (_title, mode, authority, host, expected) => {
      const root = authority === 'system' ? 'system' : encodeURIComponent(files[authority] as string);
      const actual = await tlsOf(urlOf(servers.only, `sslmode=${mode}&sslrootcert=${root}`, host));
      if (expected === true) expect(actual).toBe(true);
      else expect(actual).toMatch(expected);
    });
  });

  it('sslcert and sslkey sign in with a client certificate', async () => {
    const { cert, key } = files.client;
    const { port } = servers.both.connection;
    const url = `postgres://machi@localhost:${port}/postgres?sslmode=require`;
    expect(await tlsOf(`${url}&sslcert=${encodeURIComponent(cert)}&sslkey=${encodeURIComponent(key)}`)).toBe(true);
    expect(await tlsOf(url)).toMatch(/client certificate/);
  });

  it('options, application_name and target_session_attrs of the URL reach the server', async () => {
    const server = servers.only;
    const parameters = 'options=-c%20work_mem%3D5MB%20-c%20search_path%3Dpg_catalog&application_name=town%20hall';
    const connection = parseDatabaseUrl(urlOf(server, parameters));
    const { connection: reached } = await reachDatabase(connection, undefined, pino({ level: 'silent' }));
    const dataSource = await newDataSource(reached, { size: 2 }).initialize();
    const rows = await dataSource.query<object[]>(
      `select current_setting('work_mem') as memory, current_setting('application_name') as name`,
    );
    await dataSource.destroy();
    expect(rows).toEqual([{ memory: '5MB', name: 'town hall' }]);
    const readOnly = 'options=-c%20default_transaction_read_only%3Don&target_session_attrs=';
    expect(await tlsOf(urlOf(server, `${readOnly}read-only`))).toBe(true);
    expect(await tlsOf(urlOf(server, 'target_session_attrs=primary'))).toBe(true);
  });

  it.skipIf(!hasIpv6)('DATABASE_URL takes an IPv6 address', async () => {
    expect(await tlsOf(urlOf(servers.both, 'sslmode=disable', '[::1]'))).toBe(false);
  });

  it('a start with DB_SSLMODE=verify-full uses TLS for all its connections, and the log and the output show no password', async () => {
    const { connection } = servers.only;
    const data = dataFolder();
    const machi = launch({
      DATA_DIR: data.path,
      DB_HOST: connection.host,
      DB_PORT: String(connection.port),
      DB_NAME: 'postgres',
      DB_USER: 'postgres',
      DB_PASSWORD: connection.password!,
      DB_SSLMODE: 'verify-full',
      DB_SSLROOTCERT: files.authority,
    });
    await whenServing(machi);
    const rows = await query<{ name: string; ssl: boolean }>(
      { ...connection, ssl: { rejectUnauthorized: false } },
      `select application_name as name, ssl from pg_stat_activity a join pg_stat_ssl s using (pid) where application_name like 'machi%'`,
    );
    expect(rows.length).toBeGreaterThan(1);
    expect(rows.every(({ ssl }) => ssl)).toBe(true);
    expect(machi.output()).not.toContain(connection.password);
    await machi.kill('SIGTERM');
    data.remove();
  });
});
