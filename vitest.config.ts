import { cpus } from 'node:os';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['src/**/*.spec.ts', 'test/**/*.spec.ts'],
    exclude: ['test/e2e/**'], // needs a Machi that runs: npm run test:e2e
    globalSetup: ['test/support/global-setup.ts'],
    setupFiles: ['reflect-metadata'],
    pool: 'forks',
    maxWorkers: Math.max(2, cpus().length - 1), // much of the time goes into waiting for processes
    isolate: false, // nothing of ours is global: the modules are loaded once a worker
    expect: { poll: { timeout: 15_000, interval: 20 } },
    testTimeout: 30_000,
    hookTimeout: 60_000,
  },
});
