import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from './postgres-server.js';

export const hasPrometheus = ['prometheus', 'promtool'].every((name) => spawnSync(name, ['--version']).status === 0);

/** A result of a query: its labels and value. */
export interface QueryResult {
  metric: Record<string, string>;
  value: [time: number, value: string];
}

interface Answer<Data> {
  status: string;
  error?: string;
  data: Data;
}

/** The installed Prometheus, which reads the metrics of one process every second and evaluates the rules of a file. */
export async function startPrometheus(target: string, rules: string) {
  const folder = mkdtempSync(join(tmpdir(), 'machi-prometheus-'));
  const config = {
    global: { scrape_interval: '1s', evaluation_interval: '1s' },
    rule_files: [rules],
    scrape_configs: [{ job_name: 'machi', static_configs: [{ targets: [target] }] }],
  };
  writeFileSync(join(folder, 'prometheus.yml'), JSON.stringify(config)); // YAML includes JSON
  const address = `127.0.0.1:${await freePort()}`;
  const options = [
    `--config.file=${folder}/prometheus.yml`,
    `--storage.tsdb.path=${folder}/data`,
    `--web.listen-address=${address}`,
  ];
  const child: ChildProcess = spawn('prometheus', options, { stdio: 'ignore' });
  const url = `http://${address}`;
  const isReady = (): Promise<boolean> =>
    fetch(`${url}/-/ready`).then(
      ({ ok }) => ok,
      () => false,
    );
  while (!(await isReady())) {
    if (child.exitCode !== null) throw new Error(`Prometheus ended with ${child.exitCode}`);
    await sleep(50);
  }
  const read = async <Data>(path: string): Promise<Data> => {
    const answer = (await (await fetch(`${url}/api/v1/${path}`)).json()) as Answer<Data>;
    if (answer.status !== 'success') throw new Error(`${path}: ${answer.error}`);
    return answer.data;
  };
  return {
    url,
    read,
    /** Evaluates an expression now. Throws if it is wrong. */
    query: async (expression: string): Promise<QueryResult[]> =>
      (await read<{ result: QueryResult[] }>(`query?query=${encodeURIComponent(expression)}`)).result,
    async stop(): Promise<void> {
      child.kill('SIGTERM');
      if (child.exitCode === null) await once(child, 'exit');
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
