import type { Span } from '@opentelemetry/api';
import { AwsInstrumentation } from '@opentelemetry/instrumentation-aws-sdk';
import { HttpInstrumentation } from '@opentelemetry/instrumentation-http';
import { IORedisInstrumentation } from '@opentelemetry/instrumentation-ioredis';
import { PgInstrumentation } from '@opentelemetry/instrumentation-pg';
import { envDetector, resourceFromAttributes } from '@opentelemetry/resources';
import { NodeSDK } from '@opentelemetry/sdk-node';
import { ConsoleSpanExporter, type SpanExporter } from '@opentelemetry/sdk-trace';
import { createRequire } from 'node:module';
import type { IncomingMessage } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { causeMessage } from '../common/cause-message.js';
import { VERSION } from '../common/version.js';
import { tracingExporter } from '../config/environment/tracing-variables.js';
import { RedactingExporter } from './redacting-exporter.js';

/** At shutdown, spans that were not exported yet have this long. */
const SHUTDOWN_TIMEOUT_MS = 3_000;
/** Requests of probes and of Prometheus, which would be most of the traces of a quiet server. */
const UNTRACED = /^\/(metrics|api\/health)\b/;
/**
 * What is instrumented. These are CommonJS modules. Hooks on `require` see them when they are loaded here, and later imports get the
 * same module: no loader for ES modules is needed. See docs/decisions/tracing.md.
 */
const INSTRUMENTED = ['http', 'https', 'pg', 'ioredis', '@aws-sdk/client-s3'];

let sdk: NodeSDK | undefined;

/** Starts recording traces. To be called before the application is loaded. */
export async function startTracing(): Promise<void> {
  sdk = new NodeSDK({
    resource: resourceFromAttributes({ 'service.name': 'machi', 'service.version': VERSION }),
    resourceDetectors: [envDetector],
    traceExporter: new RedactingExporter(await createExporter(), (error) => void logExport(error)),
    metricReaders: [],
    logRecordProcessors: [],
    instrumentations: [
      new HttpInstrumentation({
        ignoreIncomingRequestHook: ({ url = '' }) => UNTRACED.test(url),
        requireParentforOutgoingSpans: true,
        applyCustomAttributesOnSpan: (span, request) => nameByRoute(span, request as IncomingMessage),
      }),
      new PgInstrumentation({ requireParentSpan: true }),
      new IORedisInstrumentation({ dbStatementSerializer: (command) => command }), // without arguments
      new AwsInstrumentation({ suppressInternalInstrumentation: true }),
    ],
  });
  sdk.start();
  const require = createRequire(import.meta.url);
  for (const name of INSTRUMENTED) require(name);
}

/** Exports what was recorded. Never rejects. */
export async function stopTracing(): Promise<void> {
  const stopped = sdk?.shutdown().catch(() => undefined);
  await Promise.race([stopped, sleep(SHUTDOWN_TIMEOUT_MS, undefined, { ref: false })]);
}

/** The library reports nothing by itself. Nest is loaded after the instrumentation, so not above. */
async function logExport(error: Error | undefined): Promise<void> {
  const { Logger } = await import('@nestjs/common');
  const log = new Logger('Tracing');
  if (error) log.warn(`Exporting traces failed (${causeMessage(error)}); spans are lost until it succeeds`);
  else log.log('Traces are exported again');
}

/** Express knows the route of a request only after it was handled. */
function nameByRoute(span: Span, { method, route }: IncomingMessage & { route?: { path?: unknown } }): void {
  if (typeof route?.path !== 'string' || !route.path.startsWith('/')) return;
  span.updateName(`${method} ${route.path}`);
  span.setAttribute('http.route', route.path);
}

/** The exporters read their endpoint, headers and time limit from the standard variables. */
async function createExporter(): Promise<SpanExporter> {
  switch (tracingExporter()) {
    case 'console':
      return new ConsoleSpanExporter();
    case 'http/json':
      return new (await import('@opentelemetry/exporter-trace-otlp-http')).OTLPTraceExporter();
    case 'grpc':
      return new (await import('@opentelemetry/exporter-trace-otlp-grpc')).OTLPTraceExporter();
    default:
      return new (await import('@opentelemetry/exporter-trace-otlp-proto')).OTLPTraceExporter();
  }
}
