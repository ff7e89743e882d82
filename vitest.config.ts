import { cpus } from 'node:os';
import { defineConfig } from 'vitest/config';
import { builtModules } from './test/support/setup/built-modules.js';
import { RepeatedTestsReporter } from './test/support/setup/repeated-tests.reporter.js';

/**
 * `npm test`: everything but test/e2e, test/fuzz and what `npm run test:soak` runs. Takes less than five minutes on two
 * processors.
 */
export default defineConfig({
  // npm test has built them; Vitest alone, as in an editor, loads the sources
  plugins: process.env['TEST_BUILT_MODULES'] === '1' ? [builtModules()] : [],
  test: {
    server: { deps: { external: [/\/dist\//] } },
    include: ['src/**/*.spec.ts', 'test/**/*.spec.ts'],
    // npm run test:e2e needs a running Machi; npm run test:fuzz and npm run test:soak take minutes
    exclude: ['test/e2e/**', 'test/fuzz/**', 'test/**/*.{process,races,soak}.spec.ts'],
    globalSetup: ['test/support/setup/global-setup.ts'],
    setupFiles: ['reflect-metadata'],
    provide: { isSoak: false },
    pool: 'forks',
    maxWorkers: Math.max(3, cpus().length), // tests wait for processes and timers for much of their time
    isolate: false, // modules have no state of their own and are loaded once per worker
    expect: { poll: { timeout: 15_000, interval: 20 } },
    retry: Number(process.env['TEST_RETRIES'] ?? 0), // set by CI
    reporters: ['default', new RepeatedTestsReporter()],
    testTimeout: 30_000,
    hookTimeout: 60_000,
  },
});
