// Delivery of a page image against express.static with the same bytes, and a list of chapters against the bare query with
// JSON.stringify, in a project of 3,000 chapters.
import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { interleave } from './support/harness.mjs';
import { toRows } from './support/results.mjs';
import { withWorld } from './support/world.mjs';

const CHAPTERS = 3000;
const LIMIT = 50;
const CHAPTERS_QUERY = `select c.id, jsonb_build_object('id', p.id, 'slug', p.slug, 'title', p.title) as project, c.number, c.sort_as,
    c.volume, c.title, c.language, (select coalesce(jsonb_agg(jsonb_build_object('id', g.id, 'name', g.name)), '[]')
      from chapter_release_groups r join release_groups g on g.id = r.group_id where r.chapter_id = c.id) as release_groups,
    c.uploader_id, c.state, c.release_at, c.is_hidden, c.published_at, c.published_at as readable_at, c.page_count,
    c.version, c.created_at, c.updated_at
  from chapters c join projects p on p.id = c.project_id
  where c.project_id = $1 and c.state = 'published' and not c.is_hidden and not p.is_hidden
    and (c.release_at is null or c.release_at <= now())
  order by c.sort_key, c.number_key, c.id limit $2`;

export const options = { seconds: 4, rounds: 5 };

export function run({ seconds, rounds }) {
  return withWorld({}, async (world) => {
    const { projectId, pageId } = await makeProject(world);
    const bytes = readPage(world.dataDir, pageId);
    writeFileSync(join(world.dataDir, 'page.webp'), bytes);
    const bare = await world.start('bare', 'bench/baselines/library.mjs', {
      FOLDER: world.dataDir,
      CONNECTION: JSON.stringify(world.connection),
      QUERY: JSON.stringify({ text: CHAPTERS_QUERY, values: [projectId, LIMIT] }),
    });
    const compare = async (scenario, baseline, path, barePath) => {
      const targets = [
        { ...world.machi, url: world.machi.url + path, rounds: [] },
        { ...bare, name: baseline, url: bare.url + barePath, rounds: [] },
      ];
      for (const { url } of targets) await assertOk(url);
      await interleave(targets, { path: '', seconds, rounds });
      return toRows(scenario, targets);
    };
    return [
      ...(await compare(
        `Delivery of a page of ${Math.round(bytes.length / 1024)} KiB`,
        'express.static',
        `/api/pages/${pageId}/image?variant=reader`,
        '/static/page.webp',
      )),
      ...(await compare(
        `List of ${LIMIT} of ${CHAPTERS} chapters`,
        'query and stringify',
        `/api/projects/${projectId}/chapters?limit=${LIMIT}`,
        '/chapters',
      )),
    ];
  });
}

async function assertOk(url) {
  const response = await fetch(url);
  await response.arrayBuffer();
  if (response.status !== 200) throw new Error(`${url}: ${response.status}`);
}

/** A project with chapters, and a page: a cover has the same files and the same delivery, and its row can become one. */
async function makeProject({ call, query, password }) {
  const { identity_token: token } = await call('POST', 'sessions', { login: 'admin', password });
  const project = await call('POST', 'projects', { title: 'Long project', original_language: 'ja' }, token);
  const form = new FormData();
  form.set('cover', new Blob([await makePicture()]), 'page.jpg');
  const { cover } = await call('PUT', `projects/${project.id}/cover?version=1`, form, token);
  const pageId = /covers\/([0-9a-f-]+)/.exec(cover.reader)[1];
  await query(
    `insert into chapters (id, project_id, number, number_key, sort_key, language, groups_key, state, published_at, shown_at,
      page_count, created_at, updated_at)
    select gen_random_uuid(), $1, i::text, i::text, lpad(i::text, 12, '0'), 'en', '', 'published', now(), now(), 1, now(), now()
    from generate_series(1, $2::int) i`,
    [project.id, CHAPTERS],
  );
  await query(
    `insert into pages (id, chapter_id, position, format, width, height, sizes, crc32)
    select p.cover_id, (select id from chapters limit 1), 1, p.cover ->> 'format', 1784, 2560, p.cover -> 'sizes', 0
    from projects p where p.cover_id = $1`,
    [pageId],
  );
  await query('analyze');
  return { projectId: project.id, pageId };
}

/** Coloured patches, as large as a scanned page. */
function makePicture() {
  return sharp(randomBytes(40 * 60 * 3), { raw: { width: 40, height: 60, channels: 3 } })
    .resize(1784, 2560)
    .jpeg({ quality: 85 })
    .toBuffer();
}

/** The bytes of the image that readers get. A stored file begins with a line about itself. */
function readPage(dataDir, pageId) {
  const folder = join(dataDir, 'uploads/pages', pageId.slice(-2));
  const name = readdirSync(folder).find((file) => file.endsWith('-reader'));
  const stored = readFileSync(join(folder, name));
  return stored.subarray(stored.indexOf('\n') + 1);
}
