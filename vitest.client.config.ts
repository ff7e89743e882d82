import { defineConfig } from 'vitest/config';
import base from './vitest.config.js';

/** Part of `npm run client:test`: @machi/client against the real server, in Node.js and in Chromium. */
export default defineConfig({
  ...base,
  test: {
    ...base.test,
    include: ['clients/typescript/test/*.spec.ts'],
    exclude: [],
    maxWorkers: 2,
    testTimeout: 60_000,
  },
});
