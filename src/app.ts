import type { CorsOptions, CorsOptionsDelegate } from '@nestjs/common/interfaces/external/cors-options.interface.js';
import type { NestExpressApplication } from '@nestjs/platform-express';
import type { NextFunction, Request, Response } from 'express';
import helmet from 'helmet';
import type { Logger } from 'pino';
import { cacheValidationMetadata } from './common/validation-metadata.js';
import { ChatWsAdapter } from './chat/connections/chat-ws.adapter.js';
import { hasExample, setupExample } from './http/example.js';
import { jsonBody } from './http/bodies/json-body.middleware.js';
import { metricsEndpoint } from './http/metrics/metrics-endpoint.js';
import { requestMetrics } from './http/metrics/request-metrics.js';
import { MetricsService } from './metrics/metrics.service.js';
import { urlCheck } from './http/url-check.middleware.js';
import { ProblemFilter } from './http/problems/problem.filter.js';
import { NestLogger } from './http/log/logger.js';
import { requestLog } from './http/log/request-log.middleware.js';
import { validationPipe } from './http/validation.js';
import type { Config } from './config/config.js';
import { setupSwagger } from './http/openapi/swagger.js';
import { chatDocs } from './chat/chat-docs.js';

/** Options for creating the application. `configureApp` adds the body parser. */
export const NEST_OPTIONS = { bodyParser: false, abortOnError: false } as const;

/** Configures the application in the same way for main, the tests and the API documents. */
export function configureApp(app: NestExpressApplication, config: Config, log: Logger): NestExpressApplication {
  cacheValidationMetadata();
  app.disable('x-powered-by');
  app.set('etag', false);
  app.set('query parser', 'simple');
  app.set('trust proxy', config.TRUST_PROXY);
  const metrics = app.get(MetricsService);
  app.use(requestLog(log, config.basePath, metrics.isOn ? requestMetrics(metrics) : undefined));
  app.use(
    helmet({
      // With the default, no-referrer, browsers would send `Origin: null` with the forms of our own pages.
      referrerPolicy: { policy: 'same-origin' },
      contentSecurityPolicy: { useDefaults: false, directives: { defaultSrc: ["'none'"], frameAncestors: ["'none'"] } },
    }),
  );
  app.enableCors(corsOptions(config));
  if (config.SWAGGER === 'on') {
    app.use('/docs', chatDocs(app, config.basePath));
    setupSwagger(app, config);
  }
  if (config.NODE_ENV !== 'production' && hasExample()) setupExample(app);
  app.use(disableCaching, urlCheck, jsonBody);
  if (metrics.isOn && config.METRICS_PORT === undefined) setupMetrics(app, metrics, config);
  app.setGlobalPrefix('api', { exclude: ['.well-known/jwks.json', '.well-known/hcert-keys.json'] });
  app.useWebSocketAdapter(new ChatWsAdapter(app, config));
  app.useGlobalPipes(validationPipe());
  app.useGlobalFilters(new ProblemFilter(new NestLogger(log)));
  return app;
}

/** Serves `GET /metrics` on the main port. */
function setupMetrics(app: NestExpressApplication, metrics: MetricsService, { METRICS_TOKEN }: Config): void {
  const express = app.getHttpAdapter().getInstance();
  express.get('/metrics', metricsEndpoint(metrics, METRICS_TOKEN));
}

/** Forbids caches to store responses, unless a route sets another value: they may contain personal data. */
function disableCaching(_: Request, response: Response, next: NextFunction): void {
  response.setHeader('cache-control', 'no-store');
  next();
}

/** `Vary: Origin` is also sent without an `Origin`, so that caches do not reuse the response for other origins. */
function corsOptions({ ALLOWED_ORIGINS }: Config): CorsOptionsDelegate<Request> {
  const isOpen = ALLOWED_ORIGINS.includes('*');
  const options: CorsOptions = {
    origin: isOpen ? '*' : ALLOWED_ORIGINS,
    credentials: !isOpen,
    exposedHeaders: ['X-Request-Id', 'Location', 'Retry-After', 'RateLimit', 'RateLimit-Policy'],
    maxAge: 600,
  };
  return (request, decide) => {
    request.res?.vary('Origin');
    decide(null, request.headers.origin === undefined ? { origin: false } : options);
  };
}
