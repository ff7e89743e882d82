import { defineConfig } from 'vitest/config';

/** Against a Machi that runs elsewhere: nothing here starts one, or moves its clock. */
export default defineConfig({
  test: {
    include: ['test/e2e/*.spec.ts'],
    globalSetup: ['test/e2e/is-ready.ts'],
    pool: 'threads',
    maxWorkers: 4, // they wait for tokens to end, mostly
    isolate: false,
    expect: { poll: { timeout: 60_000, interval: 500 } },
    testTimeout: 90_000,
    hookTimeout: 60_000,
  },
});
