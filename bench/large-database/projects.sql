-- Projects with five chapters of a page each; the first one has a fiftieth of :rows more chapters, the first chapter 200 more pages. person1 follows 100 projects and has
-- read 200 chapters.
insert into projects (id, slug, title, alternative_titles, description, status, original_language, content_rating, reading_direction, tags,
  people, search_text, sort_title, created_at, updated_at, newest_at)
select pg_temp.id('project', i), 'project-' || i, 'The ' || md5(i::text) || ' Harbour', '[]', 'A town by the sea.',
  case when i % 3 = 0 then 'completed' else 'ongoing' end, case when i % 5 = 0 then 'ko' else 'ja' end, 'everyone', 'right_to_left',
  array['slice-of-life', 'tag-' || i % 50], '[]', 'the ' || md5(i::text) || ' harbour', 'the ' || md5(i::text) || ' harbour',
  now() - i * interval '1 minute', now() - i * interval '1 minute', now() - i * interval '1 minute'
from generate_series(1, :some) i;
insert into project_slugs (slug, project_id)
select slug || i, pg_temp.id('project', i) from generate_series(1, :some) i, unnest(array['project-', 'former-']) slug;
insert into project_revisions (project_id, version, user_id, changes, created_at)
select pg_temp.id('project', i), 1, pg_temp.id('user', i), '{}'::jsonb, now() from generate_series(1, :some) i
union all select pg_temp.id('project', 1), 1 + i, pg_temp.id('user', 1), '{}'::jsonb, now() from generate_series(1, 60) i;

insert into chapters (id, project_id, number, number_key, sort_key, language, groups_key, uploader_id, state, published_at, shown_at,
  page_count, created_at, updated_at)
select pg_temp.id('chapter', i), pg_temp.id('project', case when i > 5 * :some then 1 else 1 + i % :some end), (1 + i / :some)::text || '.' || i,
  i::text, lpad(i::text, 12, '0'), 'en', '', pg_temp.id('user', 1 + i % :rows), case when i % 100 = 0 then 'review' else 'published' end,
  date_trunc('second', now()) - i * interval '1 second', case when i % 100 <> 0 then date_trunc('second', now()) - i * interval '1 second' end, 1, now(), now()
from generate_series(1, 5 * :some + :rows / 50) i;
update projects p set newest_at = c.at
from (select project_id, max(shown_at) as at from chapters where state = 'published' group by project_id) c where c.project_id = p.id;
insert into release_groups (id, name, created_at, updated_at)
select pg_temp.id('release group', i), 'Scans ' || md5(i::text), now(), now() from generate_series(1, :some) i;
insert into chapter_release_groups (chapter_id, group_id)
select pg_temp.id('chapter', i), pg_temp.id('release group', 1 + i % :some) from generate_series(1, 5 * :some) i;
insert into pages (id, chapter_id, position, format, width, height, sizes, crc32)
select pg_temp.id('page', i), pg_temp.id('chapter', i), 1, 'jpeg', 1784, 2560, '{}'::jsonb, 0 from generate_series(1, 5 * :some + :rows / 50) i
union all select pg_temp.id('page', 6 * :some + :rows / 50 + i), pg_temp.id('chapter', 1), 1 + i, 'jpeg', 1784, 2560, '{}'::jsonb, 0 from generate_series(1, 200) i;

insert into project_bookmarks (user_id, kind, project_id, created_at)
select pg_temp.id('user', 1 + i), k, pg_temp.id('project', 1 + i % :some), now()
from generate_series(1, :rows - 1) i, unnest(array['follow', 'favourite']) k
union all select pg_temp.id('user', 1), k, pg_temp.id('project', i), date_trunc('second', now()) - i * interval '1 minute'
from generate_series(1, 100) i, unnest(array['follow', 'favourite']) k;
insert into chapter_progress (user_id, chapter_id, page, is_read, changed_at)
select pg_temp.id('user', 1 + i), pg_temp.id('chapter', 1 + i % (5 * :some)), 1, i % 2 = 0, now() from generate_series(1, :rows - 1) i
union all select pg_temp.id('user', 1), pg_temp.id('chapter', i), 1, i % 2 = 0, date_trunc('second', now()) - i * interval '1 second' from generate_series(1, 200) i;
insert into feed_tokens (id, user_id, name, token_hash, created_at)
select pg_temp.id('feed token', i), pg_temp.id('user', i), 'Reader', pg_temp.bytes('feed token', i), now() from generate_series(1, :some) i;
insert into reports (id, project_id, chapter_id, reporter_id, reason, text, state, created_at)
select pg_temp.id('report', i), pg_temp.id('project', 1 + i % :some), null, pg_temp.id('user', i), 'other', 'A page is missing.',
  case when i % 20 = 0 then 'open' else 'resolved' end, now()
from generate_series(1, :some) i;

insert into announcements (id, kind, project_id, author_id, title, body, published_at, created_at, updated_at)
select pg_temp.id('announcement', i), case when i % 2 = 0 then 'announcement' else 'post' end,
  case when i % 3 = 0 then pg_temp.id('project', 1 + i % 100) end, pg_temp.id('user', i), 'News ' || i, 'The ferry leaves at seven.',
  date_trunc('second', now()) - i * interval '1 minute', now(), now()
from generate_series(1, :some) i;
insert into announcement_reads (user_id, announcement_id, read_at)
select pg_temp.id('user', i), pg_temp.id('announcement', 1 + i % :some), now() from generate_series(1, :rows) i;
insert into uploads (id, user_id, project_id, state, file_count, byte_count, done, created_at, updated_at, expires_at)
select pg_temp.id('upload', i), pg_temp.id('user', 1 + i), pg_temp.id('project', 1 + i % :some), 'open', 1, 1000, 0, now(), now(),
  now() + interval '90 days'
from generate_series(1, :some) i;
insert into upload_files (id, upload_id, name, name_key, position, size, sha256, created_at)
select pg_temp.id('file', i), pg_temp.id('upload', i), 'page.jpg', 'page.jpg', 1, 1000, encode(pg_temp.bytes('file', i), 'hex'), now()
from generate_series(1, :some) i;
