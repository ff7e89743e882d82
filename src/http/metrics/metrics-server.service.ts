import { Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { ConfigError } from '../../config/config-error.js';
import { Config } from '../../config/config.js';
import { MetricsService } from '../../metrics/metrics.service.js';
import { Problem } from '../problems/problem.js';
import { sendProblem } from '../problems/problem-response.js';
import { metricsEndpoint } from './metrics-endpoint.js';

const SERVER_OPTIONS = { headersTimeout: 5_000, requestTimeout: 5_000, connectionsCheckingInterval: 1_000 };
const MAX_CONNECTIONS = 50;

/** Serves `GET /metrics` on METRICS_PORT, until all requests on the main port are drained. */
@Injectable()
export class MetricsServerService implements OnApplicationBootstrap, OnApplicationShutdown {
  private server: Server | undefined;

  constructor(
    private readonly config: Config,
    private readonly metrics: MetricsService,
  ) {}

  /** The port; undefined if METRICS_PORT is not set. */
  get port(): number | undefined {
    return (this.server?.address() as AddressInfo | undefined)?.port;
  }

  async onApplicationBootstrap(): Promise<void> {
    const { METRICS_PORT, METRICS_TOKEN, HOST } = this.config;
    if (METRICS_PORT === undefined) return;
    const answer = metricsEndpoint(this.metrics, METRICS_TOKEN);
    this.server = createServer(SERVER_OPTIONS, (request, response) => {
      const isKnown = request.url === '/metrics' && ['GET', 'HEAD'].includes(request.method!);
      if (isKnown) void answer(request, response);
      else sendProblem(response, new Problem('route_not_found'));
    });
    this.server.maxConnections = MAX_CONNECTIONS;
    try {
      await once(this.server.listen(METRICS_PORT, HOST), 'listening');
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      throw new ConfigError([
        `Listening on ${HOST}:${METRICS_PORT} failed (${code}): set METRICS_PORT to a free port, or remove it.`,
      ]);
    }
  }

  onApplicationShutdown(): void {
    this.server?.close();
    this.server?.closeAllConnections();
  }
}
