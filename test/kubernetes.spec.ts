import { loadAll } from 'js-yaml';
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { packageRoot } from '../src/common/version.js';
import { listSettings, loadConfig, SECRETS } from '../src/config/load-config.js';
import { newKeys, startApp, type TestApp } from './support/app.js';
import { routesOf } from './support/api/routes.js';

interface Container {
  envFrom: { configMapRef: { name: string } }[];
  ports?: { name: string; containerPort: number }[];
  securityContext: Record<string, unknown>;
  resources: { requests: Record<string, string>; limits: Record<string, string> };
  volumeMounts: { name: string; mountPath: string }[];
  command?: string[];
  startupProbe?: Probe;
  readinessProbe?: Probe;
  livenessProbe?: Probe;
}

interface Probe {
  httpGet: { path: string; port: string };
}

interface PodSpec {
  terminationGracePeriodSeconds: number;
  automountServiceAccountToken: boolean;
  securityContext: Record<string, unknown>;
  containers: [Container];
  volumes: { name: string; secret?: { secretName: string } }[];
}

// The parts of the objects that the tests read.
interface KubernetesObject {
  apiVersion: string;
  kind: string;
  metadata: { name: string; annotations?: Record<string, string> };
  data: Record<string, string>;
  spec: {
    replicas: number;
    template: { metadata: { labels: Record<string, string> }; spec: PodSpec };
    selector: { matchLabels: Record<string, string> } & Record<string, string>;
    minReplicas: number;
    maxUnavailable: number;
    ports: { name: string; targetPort: string }[];
    rules: { http: { paths: { backend: { service: { name: string; port: { name: string } } } }[] } }[];
    ingress: { ports: { port: string }[] }[];
  };
}

interface Model {
  new (data: object): { validate: () => void };
}

const folder = join(packageRoot(), 'deploy/kubernetes');
const read = (name: string): string => readFileSync(join(folder, name), 'utf8');
const files = readdirSync(folder).filter((name) => name !== 'kustomization.yaml');
const objects = files.flatMap((name) => loadAll(read(name)) as KubernetesObject[]);
const find = (kind: string): KubernetesObject => objects.find((object) => object.kind === kind)!;
const settings = find('ConfigMap').data;
const pods = ['Deployment', 'Job'].map((kind) => [kind, find(kind).spec.template.spec] as const);
const require = createRequire(import.meta.url);

/** The faults of an object by the schema of the Kubernetes API. */
function faultsOf({ apiVersion, kind, ...fields }: KubernetesObject): unknown {
  const models = require(`kubernetes-models/${apiVersion}`) as Record<string, Model>;
  try {
    new models[kind]!(fields).validate();
    return [];
  } catch (error) {
    return (error as Error).message;
  }
}

describe('deploy/kubernetes', () => {
  it('has one list of its files in kustomization.yaml', () => {
    const [{ resources }] = loadAll(read('kustomization.yaml')) as [{ resources: string[] }];
    expect(resources.toSorted()).toEqual(files.toSorted());
  });

  it.each(objects.map((object) => [`${object.kind} ${object.metadata.name}`, object] as const))(
    '%s is valid by the schema of the Kubernetes API',
    (_, object) => {
      expect(faultsOf(object)).toEqual([]);
    },
  );

  it('is held against schemas that find a wrong type and a missing field', () => {
    const deployment = find('Deployment');
    const { selector: _selector, ...spec } = deployment.spec;
    expect(faultsOf({ ...deployment, spec: { ...deployment.spec, replicas: 'two' as never } })).toMatch(/replicas/);
    expect(faultsOf({ ...deployment, spec: spec as never })).toMatch(/selector/);
  });

  it('is printed by kubectl kustomize, where it is installed', ({ skip }) => {
    if (spawnSync('kubectl', ['version', '--client']).status !== 0) skip('kubectl is not installed');
    const { status, stdout, stderr } = spawnSync('kubectl', ['kustomize', folder], { encoding: 'utf8' });
    expect([status, stderr]).toEqual([0, '']);
    const printed = loadAll(stdout) as KubernetesObject[];
    expect(printed.map(({ kind }) => kind).toSorted()).toEqual(objects.map(({ kind }) => kind).toSorted());
    expect(stdout).toMatch(/image: machi:\d+\.\d+\.\d+/);
  });

  it('contains no secret, and reads each from a file of one Secret', () => {
    expect(find('Secret')).toBeUndefined();
    for (const name of SECRETS) expect(settings[name]).toBeUndefined();
    const secretFiles = Object.entries(settings).filter(([name]) => name.endsWith('_FILE'));
    expect(secretFiles.length).toBeGreaterThan(5);
    for (const [name, path] of secretFiles) expect(path).toBe(`/run/machi/${name.replace(/_FILE$/, '').toLowerCase()}`);
    for (const [, { containers, volumes }] of pods) {
      expect(volumes.find(({ name }) => name === 'secrets')?.secret?.secretName).toBe('machi');
      expect(containers[0].volumeMounts.find(({ name }) => name === 'secrets')?.mountPath).toBe('/run/machi');
    }
  });

  it('sets only settings that Machi knows, with values that production accepts', () => {
    const known = new Set<string>([...listSettings(), ...SECRETS.map((name) => `${name}_FILE`)]);
    expect(Object.keys(settings).filter((name) => !known.has(name))).toEqual([]);
    const plain = Object.fromEntries(Object.entries(settings).filter(([name]) => !name.endsWith('_FILE')));
    const addresses = { DATABASE_URL: 'postgres://db.example.org/machi', REDIS_URL: 'redis://valkey.example.org:6379' };
    const secrets = { ...newKeys(), ...addresses, S3_SECRET_ACCESS_KEY: 'x' };
    const config = loadConfig({ NODE_ENV: 'production', HOST: '0.0.0.0', ...plain, ...secrets });
    expect(config).toMatchObject({ MIGRATE: 'off', STORAGE: 's3', BUS: 'redis' });
  });

  it('runs at least two nodes, of which one may be away, and waits for those that end', () => {
    const { spec } = find('Deployment');
    expect([spec.replicas, find('HorizontalPodAutoscaler').spec.minReplicas]).toEqual([2, 2]);
    expect(find('PodDisruptionBudget').spec.maxUnavailable).toBe(1);
    const grace = spec.template.spec.terminationGracePeriodSeconds;
    expect(grace).toBeGreaterThanOrEqual(Number(settings['DRAIN_SECONDS']) + 10 + 5);
  });

  it.each(pods)('%s runs without rights: no root, no capability, a read-only file system, bounded memory', (_, pod) => {
    expect(pod.securityContext).toMatchObject({ runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } });
    expect(pod.automountServiceAccountToken).toBe(false);
    const [{ securityContext, resources }] = pod.containers;
    expect(securityContext).toEqual({
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    });
    expect(resources.limits['memory']).toMatch(/^\d+Mi$/);
    expect(Object.keys(resources.requests)).toEqual(['cpu', 'memory']);
  });

  it('connects Ingress, Service, policies and pods by the same names', () => {
    const { template, selector } = find('Deployment').spec;
    const { labels } = template.metadata;
    expect(labels).toMatchObject(selector.matchLabels);
    expect(labels).toMatchObject(find('Service').spec.selector);
    expect(labels).toMatchObject(find('PodDisruptionBudget').spec.selector.matchLabels);
    const [{ backend }] = find('Ingress').spec.rules[0]!.http.paths as [
      { backend: { service: { name: string; port: { name: string } } } },
    ];
    const [port] = find('Service').spec.ports;
    expect(backend.service).toEqual({ name: find('Service').metadata.name, port: { name: port!.name } });
    const ports = template.spec.containers[0].ports!;
    expect(ports.map(({ name }) => name)).toContain(port!.targetPort);
    const open = find('NetworkPolicy').spec.ingress.flatMap((rule) => rule.ports.map((each) => each.port));
    expect(open.toSorted()).toEqual(ports.map(({ name }) => name).toSorted());
    expect(ports).toContainEqual({ name: 'metrics', containerPort: Number(settings['METRICS_PORT']) });
    expect(find('Ingress').metadata.annotations?.['nginx.ingress.kubernetes.io/proxy-body-size']).toBe('302m');
  });
});

describe('the probes of deploy/kubernetes', () => {
  let t: TestApp;
  beforeAll(async () => {
    t = await startApp();
  });
  afterAll(() => t.stop());

  it('ask routes that exist: readiness for the database, liveness for the process alone', () => {
    const { startupProbe, readinessProbe, livenessProbe } = find('Deployment').spec.template.spec.containers[0];
    const paths = [startupProbe, readinessProbe, livenessProbe].map((probe) => probe!.httpGet.path);
    expect(paths).toEqual(['/api/health/live', '/api/health/ready', '/api/health/live']);
    const routes = routesOf(t.app).map(({ name }) => name);
    for (const path of paths) expect(routes).toContain(`GET ${path}`);
  });
});
