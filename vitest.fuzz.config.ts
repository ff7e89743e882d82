import { defineConfig } from 'vitest/config';
import base from './vitest.config.js';

/** `npm run test:fuzz`: generated requests and frames against a running Machi. */
export default defineConfig({
  ...base,
  test: { ...base.test, include: ['test/fuzz/fuzz.spec.ts'], exclude: [], maxWorkers: 1 },
});
