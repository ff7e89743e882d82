import { defineConfig } from 'vitest/config';
import base from './vitest.config.js';

/** `npm run test:soak`: the long form of model checkers, races and floods (see test/support/rounds.ts). */
export default defineConfig({
  test: {
    ...base.test,
    include: [
      'test/auth/passwords/password-resets.races.spec.ts',
      'test/auth/sessions/refresh.races.spec.ts',
      'test/chat/model.spec.ts',
      'test/chat/relations.model.spec.ts',
      'test/chat/slow.spec.ts',
      'test/mail/mail.process.spec.ts',
      'test/vaccination/bookings.process.spec.ts',
      'test/vaccination/certificates/verification.spec.ts',
    ],
    provide: { isSoak: true },
    maxWorkers: 2,
    testTimeout: 240_000,
  },
});
