import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['src/**/*.spec.ts', 'test/**/*.spec.ts'],
    globalSetup: ['test/global-setup.ts'],
    setupFiles: ['reflect-metadata'],
    pool: 'forks',
    isolate: false, // nothing of ours is global: the modules are loaded once a worker
    testTimeout: 30_000,
    hookTimeout: 60_000,
  },
});
