import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Indexes for what read whole tables: the deletion of a user, the latest chapters of a project, the queue of moderators, sessions of a vaccine, reminders. */
export class GrowthIndexes1809730000000 implements MigrationInterface {
  name = 'GrowthIndexes1809730000000';

  async up(runner: QueryRunner): Promise<void> {
    for (const [name, definition] of INDEXES) await runner.query(`create index ${name} on ${definition}`);
  }

  async down(runner: QueryRunner): Promise<void> {
    for (const [name] of INDEXES.toReversed()) await runner.query(`drop index ${name}`);
  }
}

const INDEXES: [name: string, definition: string][] = [
  ['reports_reporter_id_idx', 'reports (reporter_id)'],
  ['project_revisions_user_id_idx', 'project_revisions (user_id)'],
  ['announcements_author_id_idx', 'announcements (author_id)'],
  ['chapters_latest_idx', 'chapters (project_id, (greatest(shown_at, release_at)), id)'],
  ['chapters_review_idx', `chapters (id) where state = 'review'`],
  ['vaccination_sessions_vaccine_id_idx', 'vaccination_sessions (vaccine_id, starts_at)'],
  ['vaccination_doses_vaccine_id_idx', 'vaccination_doses (vaccine_id, given_at)'],
];
