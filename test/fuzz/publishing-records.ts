import { setTimeout as sleep } from 'node:timers/promises';
import { zipOf } from '../support/files/zip.js';

/** Sends a request as someone, and throws unless it succeeds. Objects are sent as JSON. */
type Send = (method: string, path: string, body?: object | FormData | Blob) => Promise<Record<string, unknown>>;

type Row = Record<string, unknown>;

const CHAPTERS = 3;

/**
 * Makes a project with a cover, chapters with pages from archives, and an open upload with a file, as a manager and an uploader:
 * random requests rarely get through all the steps. Returns the answers that contain their ids.
 */
export async function makePublishingRecords(
  manager: Send,
  uploader: Send,
  image: Buffer,
): Promise<{ project: Row; chapters: Row[]; upload: Row }> {
  const picture = new Blob([new Uint8Array(image)], { type: 'image/png' });
  const created = await manager('POST', '/api/projects', { title: 'Fuzz', slug: 'fuzz', original_language: 'ja' });
  const form = new FormData();
  form.set('cover', picture, 'cover.png');
  const project = await manager('PUT', `/api/projects/${String(created['id'])}/cover?version=1`, form);
  const archive = zipOf(['1.png', '2.png'].map((name) => ({ name, data: image })));
  const chapters: Row[] = [];
  for (let i = 1; i <= CHAPTERS; i++) {
    const { id } = await uploader('POST', '/api/uploads', { project_id: project['id'] });
    const path = `/api/uploads/${String(id)}`;
    const { version } = await uploader(
      'PUT',
      `${path}/archive`,
      new Blob([new Uint8Array(archive)], { type: 'application/zip' }),
    );
    await uploader('POST', `${path}/commit`, { version, chapter: { number: String(i), language: 'en' } });
    const { chapter_id } = await committed(uploader, path);
    chapters.push(await uploader('GET', `/api/chapters/${String(chapter_id)}`));
  }
  const opened = await uploader('POST', '/api/uploads', { project_id: project['id'] });
  const files = new FormData();
  files.set('files', picture, '1.png');
  const upload = await uploader('POST', `/api/uploads/${String(opened['id'])}/files`, files);
  return { project, chapters, upload };
}

async function committed(send: Send, path: string): Promise<Row> {
  for (;;) {
    const upload = await send('GET', path);
    if (upload['state'] === 'committed') return upload;
    if (upload['state'] !== 'committing') throw new Error(`${path} is ${String(upload['state'])}`);
    await sleep(50);
  }
}
