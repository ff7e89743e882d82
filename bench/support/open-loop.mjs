// Sends HTTP requests on a fixed schedule. The latency of a request counts from its time in the schedule, so that a server that
// falls behind is seen.
import { Agent, request } from 'node:http';

const BOUNDARY = 'bench-boundary';
const TIMEOUT_MS = 10_000;

export class OpenLoop {
  #agent = new Agent({ keepAlive: true, maxSockets: 256 });
  #due = [];
  #results = {};

  constructor(url) {
    this.url = new URL(url);
  }

  /** Adds requests at equal distances, from `start` on for `duration` seconds. `make` returns the next request. */
  schedule(kind, count, start, duration, make) {
    this.#results[kind] = { latencies: [], errors: 0, failures: {} };
    for (let i = 0; i < count; i++) this.#due.push({ kind, at: (start + (i * duration) / count) * 1000, make });
  }

  /** Sends all of them, and waits for the answers. Returns the rate, the number of errors, p50 and p99 of each kind. */
  async run() {
    const due = this.#due.toSorted((a, b) => a.at - b.at);
    const start = performance.now();
    const sent = [];
    let next = 0;
    await new Promise((resolve) => {
      const timer = setInterval(() => {
        const now = performance.now() - start;
        for (; next < due.length && due[next].at <= now; next++) sent.push(this.#send(due[next], start));
        if (next < due.length) return;
        clearInterval(timer);
        resolve();
      }, 2);
    });
    await Promise.all(sent);
    const seconds = (performance.now() - start) / 1000;
    this.#agent.destroy();
    return Object.fromEntries(Object.entries(this.#results).map(([kind, result]) => [kind, summary(result, seconds)]));
  }

  async #send({ kind, at, make }, start) {
    const result = this.#results[kind];
    const { onAnswer, ...spec } = make();
    try {
      const text = await this.#request(spec);
      onAnswer?.(JSON.parse(text));
    } catch (error) {
      result.errors++;
      result.failures[error.message] = (result.failures[error.message] ?? 0) + 1;
    }
    result.latencies.push(performance.now() - start - at);
  }

  #request({ method, path, token, json, file }) {
    const body = file ? formOf(file) : json && Buffer.from(JSON.stringify(json));
    const type = file ? `multipart/form-data; boundary=${BOUNDARY}` : 'application/json';
    const headers = {
      ...(token ? { authorization: `Bearer ${token}` } : {}),
      ...(body ? { 'content-type': type, 'content-length': body.length } : {}),
    };
    const { hostname, port } = this.url;
    return new Promise((resolve, reject) => {
      const outgoing = request({ agent: this.#agent, hostname, port, method, path, headers }, (response) => {
        const chunks = [];
        response.on('data', (chunk) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () => {
          if (response.statusCode < 400) resolve(Buffer.concat(chunks).toString('latin1'));
          else reject(new Error(`${method} ${path.split('?')[0]}: ${response.statusCode}`));
        });
      });
      outgoing.setTimeout(TIMEOUT_MS, () => outgoing.destroy(new Error('timeout')));
      outgoing.on('error', reject);
      outgoing.end(body);
    });
  }
}

const formOf = (file) =>
  Buffer.concat([
    Buffer.from(`--${BOUNDARY}\r\ncontent-disposition: form-data; name="avatar"; filename="a.jpg"\r\n\r\n`),
    file,
    Buffer.from(`\r\n--${BOUNDARY}--\r\n`),
  ]);

function summary({ latencies, errors, failures }, seconds) {
  const sorted = latencies.toSorted((a, b) => a - b);
  const at = (q) => sorted[Math.floor(sorted.length * q)];
  if (errors > 0) console.error(failures);
  return { rate: (latencies.length - errors) / seconds, errors, p50: at(0.5), p99: at(0.99) };
}
