/**
 * Whether the standard variables of OpenTelemetry ask for traces: an exporter or an endpoint is named. The libraries read these
 * variables themselves. https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/
 */
export function isTracingRequested(environment: NodeJS.ProcessEnv = process.env): boolean {
  const { OTEL_SDK_DISABLED, OTEL_TRACES_EXPORTER, OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT } =
    environment;
  if (OTEL_SDK_DISABLED?.toLowerCase() === 'true') return false;
  if (OTEL_TRACES_EXPORTER) return OTEL_TRACES_EXPORTER !== 'none';
  return Boolean(OTEL_EXPORTER_OTLP_TRACES_ENDPOINT || OTEL_EXPORTER_OTLP_ENDPOINT);
}

/** `console`, or the protocol of OTLP: `http/protobuf` (the default), `http/json` or `grpc`. */
export function tracingExporter(environment: NodeJS.ProcessEnv = process.env): string {
  const { OTEL_TRACES_EXPORTER, OTEL_EXPORTER_OTLP_TRACES_PROTOCOL, OTEL_EXPORTER_OTLP_PROTOCOL } = environment;
  if (OTEL_TRACES_EXPORTER === 'console') return 'console';
  return OTEL_EXPORTER_OTLP_TRACES_PROTOCOL || OTEL_EXPORTER_OTLP_PROTOCOL || 'http/protobuf';
}
