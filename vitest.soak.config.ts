import { readdirSync, readFileSync } from 'node:fs';
import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';
import base from './vitest.config.js';

/** Specs that `npm test` runs in a short form, see test/support/setup/rounds.ts. */
const withLongForm = readdirSync('test', { recursive: true, encoding: 'utf8' })
  .map((name) => `test/${name}`)
  .filter((file) => file.endsWith('.spec.ts') && readFileSync(file, 'utf8').includes('support/setup/rounds.js'));

/** They take a minute or more: started first, they do not keep one worker busy when the others have ended. */
const LONGEST = [
  'vaccination/appointments/bookings.process',
  'cli/cli.process',
  'chat/model.process',
  'main.process',
  'projects/uploads/commit.process',
  'database/pooler.process',
  'mail/mail.process',
  'cli/backup.process',
  'cluster/model.process',
];

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification): number => {
      const index = LONGEST.findIndex((name) => moduleId.includes(`/test/${name}.`));
      return index === -1 ? LONGEST.length : index;
    };
    return (await super.sort(files)).toSorted((a, b) => rank(a) - rank(b));
  }
}

/** `npm run test:soak`: Machi and what it needs as processes that are stopped, races, floods, and the long form of model checkers. */
export default defineConfig({
  ...base,
  test: {
    ...base.test,
    include: ['test/**/*.{process,races,soak}.spec.ts', ...withLongForm],
    exclude: [],
    provide: { isSoak: true },
    sequence: { sequencer: LongestFirst },
    maxWorkers: 3,
    testTimeout: 240_000,
  },
});
