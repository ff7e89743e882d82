import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { Agent, get } from 'node:http';
import type { Pool } from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { POOL } from '../../src/database/connections/pool.js';
import { MetricsServerService } from '../../src/http/metrics/metrics-server.service.js';
import { startApp, type TestApp } from '../support/app.js';
import { metricsOf } from '../support/metrics.js';

const METRICS_TOKEN = randomBytes(24).toString('base64url');

let t: TestApp;
beforeAll(async () => {
  t = await startApp({ env: { METRICS_TOKEN } });
});
afterAll(() => t.stop());

const { scrape, valueOf } = metricsOf(() => t, METRICS_TOKEN);

describe('GET /metrics on the main port', () => {
  it('answers the text format of Prometheus to the METRICS_TOKEN', async () => {
    const { status, headers, text } = await t.request('GET', '/metrics', { token: METRICS_TOKEN });
    expect([status, headers.get('content-type')]).toEqual([200, 'text/plain; version=0.0.4; charset=utf-8']);
    expect(text).toContain('# TYPE nodejs_eventloop_lag_seconds gauge');
    expect(text).toContain('machi_db_pool_size 20');
  });

  it('refuses a missing token and every other token, the one of an administrator included', async () => {
    const missing = await t.request('GET', '/metrics');
    expect([missing.status, missing.body.code]).toEqual([401, 'token_required']);
    const wrong = [METRICS_TOKEN.slice(1), `${METRICS_TOKEN}x`, METRICS_TOKEN.toUpperCase(), await t.asAdmin()];
    for (const token of wrong) {
      const { status, body, text } = await t.request('GET', '/metrics', { token });
      expect([status, body.code]).toEqual([401, 'invalid_token']);
      expect(text).not.toContain('machi_');
    }
  });

  it('counts requests by route template, method and status', async () => {
    const { id } = await t.user();
    const token = await t.asAdmin();
    await t.request('GET', `/api/users/${id}`, { token });
    await t.request('GET', `/api/users/${id}`);
    const route = 'http_requests_total{method="GET",route="/api/users/:id",status';
    expect(await valueOf(`${route}="200"}`)).toBe(1);
    expect(await valueOf(`${route}="401"}`)).toBe(1);
    expect(await valueOf('http_request_duration_seconds_count{method="GET",route="/api/users/:id"}')).toBe(2);
    expect(await scrape()).not.toContain(id);
  });

  it('gives 1,000 unknown paths one label together', async () => {
    const before = (await scrape()).split('\n').length;
    const paths = Array.from({ length: 1000 }, () => `/api/${randomBytes(6).toString('hex')}`);
    const agent = new Agent({ keepAlive: true, maxSockets: 10 });
    await Promise.all(
      paths.map((path) =>
        once(
          get(t.url + path, { agent }, (answer) => answer.resume()),
          'close',
        ),
      ),
    );
    agent.destroy();
    const text = await scrape();
    expect(await valueOf('http_requests_total{method="GET",route="none",status="404"}')).toBe(1000);
    expect(paths.filter((path) => text.includes(path))).toEqual([]);
    expect(text.split('\n').length - before).toBeLessThan(40); // a route label has 16 lines with its buckets
  });

  it('reports the waits for a connection of the pool', async () => {
    const pool = t.app.get<Pool>(POOL);
    const queryAll = () =>
      Promise.all(Array.from({ length: pool.options.max + 2 }, () => pool.query('select pg_sleep(0.01)')));
    await queryAll(); // opens all connections
    const before = await valueOf('machi_db_pool_wait_seconds_count');
    await queryAll();
    expect(await valueOf('machi_db_pool_wait_seconds_count')).toBeGreaterThanOrEqual(before! + 2);
    expect(await valueOf('machi_db_pool_waiting')).toBe(0);
  });
});

describe('METRICS_PORT', () => {
  it('serves the metrics there and not on the main port, and needs the token if one is set', async () => {
    const own = await startApp({ env: { METRICS_PORT: '0', METRICS_TOKEN }, database: t.connection });
    const url = `http://127.0.0.1:${own.app.get(MetricsServerService).port}`;
    const status = async (path: string, headers = {}) => (await fetch(url + path, { headers })).status;
    expect(await status('/metrics')).toBe(401);
    expect(await status('/metrics', { authorization: `Bearer ${METRICS_TOKEN}` })).toBe(200);
    expect(await status('/api/health/live')).toBe(404);
    expect((await own.request('GET', '/metrics', { token: METRICS_TOKEN })).status).toBe(404);
    await own.stop();
    await expect(fetch(`${url}/metrics`)).rejects.toThrow();
  });
});

describe('without METRICS_PORT and METRICS_TOKEN', () => {
  it('GET /metrics answers 404', async () => {
    const off = await startApp({ database: t.connection });
    const { status, body } = await off.request('GET', '/metrics', { token: METRICS_TOKEN });
    expect([status, body.code]).toEqual([404, 'route_not_found']);
    await off.stop();
  });
});
