import { cpus } from 'node:os';
import { defineConfig } from 'vitest/config';

/** `npm test`: everything but test/e2e and test/fuzz, with the short form of long runs. */
export default defineConfig({
  test: {
    include: ['src/**/*.spec.ts', 'test/**/*.spec.ts'],
    exclude: ['test/e2e/**', 'test/fuzz/**'], // npm run test:e2e needs a running Machi; npm run test:fuzz takes minutes
    globalSetup: ['test/support/global-setup.ts'],
    setupFiles: ['reflect-metadata'],
    provide: { isSoak: false },
    pool: 'forks',
    maxWorkers: Math.max(3, cpus().length), // tests wait for processes and timers for much of their time
    isolate: false, // modules have no state of their own and are loaded once per worker
    expect: { poll: { timeout: 15_000, interval: 20 } },
    testTimeout: 30_000,
    hookTimeout: 60_000,
  },
});
