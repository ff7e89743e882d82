import type { NestExpressApplication } from '@nestjs/platform-express';
import type { NextFunction, Request, Response } from 'express';
import helmet from 'helmet';
import type { Server } from 'node:http';
import type { Logger } from 'pino';
import { jsonBody } from './common/json-body.js';
import { answerClientErrors } from './common/client-errors.js';
import { ProblemFilter } from './common/problem.filter.js';
import { requestLog } from './common/request-log.js';
import { validationPipe } from './common/validation.js';
import type { Config } from './config.js';
import { setupSwagger } from './swagger.js';

const HEADERS_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 30_000;
/** Longer than the idle time of the usual reverse proxies, which would otherwise race a closing connection. */
const KEEP_ALIVE_MS = 75_000;

/** For `NestFactory.create`: bodies are parsed by our own rules. */
export const NEST_OPTIONS = { bodyParser: false, abortOnError: false } as const;

/** What main, the tests and the API document must all agree on. */
export function configureApp(app: NestExpressApplication, config: Config, log: Logger): NestExpressApplication {
  app.disable('x-powered-by');
  app.set('etag', false);
  app.set('query parser', 'simple');
  app.set('trust proxy', config.TRUST_PROXY);
  app.use(requestLog(log));
  app.use(
    helmet({
      contentSecurityPolicy: { useDefaults: false, directives: { defaultSrc: ["'none'"], frameAncestors: ["'none'"] } },
    }),
  );
  app.enableCors({
    origin: config.ALLOWED_ORIGINS.includes('*') ? '*' : config.ALLOWED_ORIGINS,
    credentials: !config.ALLOWED_ORIGINS.includes('*'),
    exposedHeaders: ['X-Request-Id', 'Location', 'Retry-After'],
    maxAge: 600,
  });
  if (config.SWAGGER === 'on') setupSwagger(app, config);
  app.use(privateByDefault, ...jsonBody());
  app.setGlobalPrefix('api');
  app.useGlobalPipes(validationPipe());
  app.useGlobalFilters(new ProblemFilter(log));
  configureServer(app.getHttpServer());
  return app;
}

/** Answers are about somebody unless a route says otherwise: no cache on the way may keep them. */
function privateByDefault(_: Request, response: Response, next: NextFunction): void {
  response.setHeader('cache-control', 'no-store');
  next();
}

function configureServer(server: Server & { connectionsCheckingInterval?: number }): void {
  server.headersTimeout = HEADERS_TIMEOUT_MS;
  server.requestTimeout = REQUEST_TIMEOUT_MS;
  server.keepAliveTimeout = KEEP_ALIVE_MS;
  server.connectionsCheckingInterval = 1000; // by default Node looks for late requests every 30 s only
  answerClientErrors(server);
  server.prependListener('request', (_, response) => {
    if (!server.listening) response.setHeader('connection', 'close'); // stopping: the client's next request goes elsewhere
  });
}
