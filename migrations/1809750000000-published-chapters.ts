import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Lists of the latest chapters read published ones only. Chapters that wait for approval have no time yet: at the start of the
 * indexes, they were read before all others.
 */
export class PublishedChapters1809750000000 implements MigrationInterface {
  name = 'PublishedChapters1809750000000';

  async up(runner: QueryRunner): Promise<void> {
    for (const [name, columns] of INDEXES) await replace(runner, name, `chapters ${columns} where state = 'published'`);
  }

  async down(runner: QueryRunner): Promise<void> {
    for (const [name, columns] of INDEXES) await replace(runner, name, `chapters ${columns}`);
  }
}

const INDEXES: [name: string, columns: string][] = [
  ['chapters_published_at_idx', '(published_at, id)'],
  ['chapters_readable_at_idx', '((greatest(shown_at, release_at)), id)'],
  ['chapters_latest_idx', '(project_id, (greatest(shown_at, release_at)), id)'],
];

async function replace(runner: QueryRunner, name: string, definition: string): Promise<void> {
  await runner.query(`drop index ${name}`);
  await runner.query(`create index ${name} on ${definition}`);
}
