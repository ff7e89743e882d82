import { defineConfig } from 'vitest/config';
import base from './vitest.config.js';

/** Part of `npm run client:check`: @machi/client against the real server, in Node.js and in Chromium. */
export default defineConfig({
  test: {
    include: ['clients/typescript/test/*.spec.ts'],
    globalSetup: ['test/support/setup/global-setup.ts'],
    setupFiles: ['reflect-metadata'],
    provide: { isSoak: false },
    retry: base.test!.retry!,
    reporters: base.test!.reporters!,
    pool: 'forks',
    maxWorkers: 2,
    isolate: false,
    expect: { poll: { timeout: 15_000, interval: 20 } },
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
