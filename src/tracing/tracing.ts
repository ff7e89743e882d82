import { type Attributes, type SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';

/** Does nothing until `sdk.ts` has started. */
const tracer = trace.getTracer('machi');

interface SpanDefinition {
  name: string;
  kind: SpanKind;
  /** Values come from fixed lists or are numbers: no data of users. */
  attributes: Attributes;
}

/** Does the work in a span of its own, if traces are on. Rejects like the work. */
export const inSpan = <T>({ name, ...options }: SpanDefinition, work: () => Promise<T>): Promise<T> =>
  tracer.startActiveSpan(name, options, async (span) => {
    try {
      return await work();
    } catch (error) {
      span.setStatus({ code: SpanStatusCode.ERROR });
      span.setAttribute('error.type', (error as Error).name);
      throw error;
    } finally {
      span.end();
    }
  });

/** Joins a log line to the current span; undefined if there is none. */
export function traceIds(): { trace_id: string; span_id: string } | undefined {
  const context = trace.getActiveSpan()?.spanContext();
  return context && { trace_id: context.traceId, span_id: context.spanId };
}
