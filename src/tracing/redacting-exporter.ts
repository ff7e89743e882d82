import type { Attributes } from '@opentelemetry/api';
import type { ReadableSpan, SpanExporter } from '@opentelemetry/sdk-trace';

/**
 * The attributes that are exported. What is not listed is dropped, also if a later version of a library adds it: URLs with
 * parameters, addresses and programs of clients, messages of errors, values of statements.
 */
const EXPORTED =
  /^(machi\.[\w.]+|http\.(request\.method|response\.status_code|route)|url\.scheme|server\.(address|port)|error\.type|db\.(system\.name|namespace|query\.text|operation\.name)|rpc\.(system|service|method)|aws\.(region|request_id|s3\.bucket)|cloud\.region)$/;

type Export = SpanExporter['export'];

/** Passes spans on without data of users. */
export class RedactingExporter implements SpanExporter {
  private isFailing = false;

  /** `onChange` is called when spans begin to be lost, with the error, and when they are exported again, without one. */
  constructor(
    private readonly exporter: SpanExporter,
    private readonly onChange: (error: Error | undefined) => void,
  ) {}

  export(spans: ReadableSpan[], done: Parameters<Export>[1]): void {
    this.exporter.export(spans.map(redact), (result) => {
      const code: number = result.code;
      const isFailing = code !== 0; // ExportResultCode.SUCCESS
      if (isFailing !== this.isFailing) this.onChange(isFailing ? (result.error ?? new Error('unknown')) : undefined);
      this.isFailing = isFailing;
      done(result);
    });
  }

  async shutdown(): Promise<void> {
    await this.exporter.shutdown();
  }

  async forceFlush(): Promise<void> {
    await this.exporter.forceFlush?.();
  }
}

/** A view of the span. Events are the messages of errors, which may quote values; so does the message of the status. */
const redact = (span: ReadableSpan): ReadableSpan =>
  Object.create(span, {
    attributes: { value: exported(span.attributes) },
    status: { value: { code: span.status.code } },
    events: { value: [] },
    links: { value: span.links.map(({ context }) => ({ context })) },
  }) as ReadableSpan;

const exported = (attributes: Attributes): Attributes =>
  Object.fromEntries(Object.entries(attributes).filter(([name]) => EXPORTED.test(name)));
