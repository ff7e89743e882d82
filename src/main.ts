import { isTracingRequested } from './config/environment/tracing-variables.js';

// Libraries are instrumented before the application loads them, so nothing else is imported statically here.
if (isTracingRequested()) await (await import('./tracing/sdk.js')).startTracing();
await import('./server.js');
