import { expect, it } from 'vitest';
import { preparePostgres } from './postgres-binaries.js';

it('preparePostgres names a platform without binaries and the remedy in one sentence', () => {
  expect(() => preparePostgres(undefined, 'sunos-sparc')).toThrow(
    'The embedded PostgreSQL has no binaries for this platform (sunos-sparc). ' +
      'Set DATABASE_URL to a PostgreSQL 15 or newer to run without the embedded one.',
  );
});
