import { expect, it } from 'vitest';
import { preparePostgres } from './postgres-binaries.js';

it('a platform without binaries is named in one sentence, with what to do', () => {
  expect(() => preparePostgres(undefined, 'sunos-sparc')).toThrow(
    'The embedded PostgreSQL has no binaries for this platform (sunos-sparc). ' +
      'Set DATABASE_URL to a PostgreSQL 15 or newer to run without the embedded one.',
  );
});
