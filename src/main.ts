import { isTracingRequested } from './config/environment/tracing-variables.js';

// Node.js 21 and newer has it. Without it, `pg` makes a Response to find out where it runs, and that loads an HTTP client: 25 ms of a start.
(globalThis as { navigator?: unknown }).navigator ??= { userAgent: `Node.js/${process.versions.node.split('.')[0]!}` };

// Libraries are instrumented before the application loads them, so nothing else is imported statically here.
if (isTracingRequested()) await (await import('./tracing/sdk.js')).startTracing();
await import('./server.js');
