import { Logger } from '@nestjs/common';
import { once } from 'node:events';
import { readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { get as httpGet, type IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { crc32 } from 'node:zlib';
import sharp from 'sharp';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { requestId } from '../../src/http/log/request-context.js';
import { Storage } from '../../src/storage/storage.js';
import { startApp, type TestApp } from '../support/app.js';
import { get, imageFile } from '../support/files/images.js';
import { projectsWorld } from '../support/projects/projects.js';

let t: TestApp;
let world: Awaited<ReturnType<typeof projectsWorld>>;
beforeAll(async () => {
  t = await startApp();
  world = await projectsWorld(t);
});
afterEach(() => {
  vi.restoreAllMocks();
});
afterAll(() => t.stop());

/** The files of an archive in order, read by its central directory; the local headers must say the same. */
function filesOf(archive: Buffer): Map<string, Buffer> {
  const end = archive.length - 22;
  expect(archive.readUInt32LE(end)).toBe(0x06054b50);
  const files = new Map<string, Buffer>();
  for (let at = archive.readUInt32LE(end + 16), i = 0; i < archive.readUInt16LE(end + 10); i++) {
    const [size, nameLength, local] = [
      archive.readUInt32LE(at + 24),
      archive.readUInt16LE(at + 28),
      archive.readUInt32LE(at + 42),
    ];
    const name = archive.toString('latin1', at + 46, at + 46 + nameLength);
    const start = local + 30 + nameLength;
    expect(archive.subarray(local + 4, local + 28)).toEqual(archive.subarray(at + 6, at + 30));
    expect(archive.toString('latin1', local + 30, start)).toBe(name);
    const bytes = archive.subarray(start, start + size);
    expect([name, archive.readUInt16LE(at + 10), archive.readUInt32LE(at + 16)]).toEqual([name, 0, crc32(bytes)]);
    files.set(name, bytes);
    at += 46 + nameLength;
  }
  return files;
}

/** More than what is kept in memory. */
const largeImage = (): Promise<Buffer> => {
  const noise = { type: 'gaussian', mean: 120, sigma: 60 } as const;
  return sharp({ create: { width: 1500, height: 1500, channels: 3, background: '#777', noise } })
    .png()
    .toBuffer();
};

describe('GET /api/chapters/:id/download.cbz', () => {
  it('sends the original images, stored in order, and a ComicInfo.xml, with their length and a name', async () => {
    const project = await world.project({
      title: 'Fire & <Ice>: "1/2"',
      tags: ['drama', 'sea'],
      people: [
        { name: 'Ito, Aoi', role: 'author' },
        { name: 'B', role: 'artist' },
      ],
      content_rating: 'teen',
      description: 'Two\nlines',
    });
    const group = await world.releaseGroup({ name: 'Harbour & Sons' });
    const chapter = await world.chapter(project.id, {
      number: '3.10',
      volume: '2',
      title: 'Тихо',
      release_group_ids: [group.id],
    });
    const ids = await world.addPages(chapter.id, [
      await imageFile(1),
      await imageFile(2, 'png'),
      await imageFile(3, 'webp'),
    ]);
    const { status, headers, bytes } = await get(t, `/api/chapters/${chapter.id}/download.cbz`);
    expect([status, headers.get('content-type'), headers.get('content-length')]).toEqual([
      200,
      'application/vnd.comicbook+zip',
      String(bytes.length),
    ]);
    const disposition = headers.get('content-disposition')!;
    expect(disposition).toMatch(/^attachment; filename="[\w &?().-]+\.cbz"; filename\*=UTF-8''/);
    expect(decodeURIComponent(disposition.split("UTF-8''")[1]!)).toBe('Fire & Ice 1 2 - Vol. 2 Chapter 3.10 Тихо.cbz');
    const files = filesOf(bytes);
    expect([...files.keys()]).toEqual(['ComicInfo.xml', '001.jpg', '002.png', '003.webp']);
    for (const [i, name] of ['001.jpg', '002.png', '003.webp'].entries()) {
      const original = await get(t, `/api/pages/${ids[i]}/image?variant=original`);
      expect(files.get(name)!.equals(original.bytes)).toBe(true);
    }
    const info = files.get('ComicInfo.xml')!.toString();
    for (const part of [
      '<Title>Тихо</Title><Series>Fire &amp; &lt;Ice&gt;: &quot;1/2&quot;</Series><Number>3.10</Number><Volume>2</Volume>',
      '<Writer>Ito  Aoi</Writer><Penciller>B</Penciller><Genre>drama, sea</Genre>',
      '<PageCount>3</PageCount><LanguageISO>en</LanguageISO><Manga>YesAndRightToLeft</Manga>',
      '<ScanInformation>Harbour &amp; Sons</ScanInformation><AgeRating>Teen</AgeRating>',
      '<Page Image="0" ImageSize="',
    ])
      expect(info).toContain(part);
  });

  it('answers 304 while the chapter is the same, and another archive after a reorder', async () => {
    const chapter = await world.chapter((await world.project()).id);
    const ids = await world.addPages(chapter.id, [await imageFile(4), await imageFile(5)]);
    const path = `/api/chapters/${chapter.id}/download.cbz`;
    const first = await get(t, path);
    const etag = first.headers.get('etag')!;
    expect(first.headers.get('cache-control')).toBe('private, no-cache');
    expect((await get(t, path, undefined, { 'if-none-match': etag })).status).toBe(304);
    expect((await get(t, path)).bytes.equals(first.bytes)).toBe(true);
    await t.dataSource.query('update pages set position = 3 - position where chapter_id = $1', [chapter.id]);
    const second = await get(t, path, undefined, { 'if-none-match': etag });
    expect([second.status, second.headers.get('etag') === etag, ids.length]).toEqual([200, false, 2]);
  });

  it('answers 404 for a chapter without pages, and asks comic readers for a password where one is needed', async () => {
    const chapter = await world.chapter((await world.project()).id);
    const answer = await get(t, `/api/chapters/${chapter.id}/download.cbz`);
    expect([answer.status, answer.body['code']]).toEqual([404, 'page_not_found']);
    const wrong = await get(t, `/api/chapters/${chapter.id}/download.cbz`, 'x');
    expect([wrong.status, wrong.headers.get('www-authenticate')]).toEqual([401, expect.stringContaining('Basic')]);
  });

  it('stops reading files when the client leaves early, and logs no error', async () => {
    const errors = vi.spyOn(Logger.prototype, 'error');
    const chapter = await world.chapter((await world.project()).id);
    const large = await largeImage();
    await world.addPages(chapter.id, [large, large]);
    const openPages = () =>
      readdirSync('/proc/self/fd').filter((fd) => {
        try {
          return readlinkSync(`/proc/self/fd/${fd}`).includes('/pages/');
        } catch {
          return false; // closed meanwhile
        }
      }).length;
    const request = httpGet(`${t.url}/api/chapters/${chapter.id}/download.cbz`);
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    await once(response, 'readable'); // the rest waits, because nobody reads it
    await expect.poll(openPages).toBe(1);
    response.destroy();
    await expect.poll(openPages).toBe(0);
    expect(errors).not.toHaveBeenCalled();
  });
});

describe('a file that the storage fails to read to its end', () => {
  it('is cut off, also when the storage ends the connection, and logged once with the id of the request', async () => {
    const chapter = await world.chapter((await world.project()).id);
    const [id] = await world.addPages(chapter.id, [await largeImage()]);
    const logged: unknown[] = [];
    vi.spyOn(Logger.prototype, 'error').mockImplementation((error: Error) => {
      logged.push([requestId(), error.message, (error.cause as Error).message]);
    });
    const storage = t.app.get(Storage, { strict: false });
    const open = storage.get.bind(storage);
    vi.spyOn(storage, 'get').mockImplementation(async (...args) => {
      const object = (await open(...args))!;
      object.body.destroy();
      const body = Readable.from(
        (async function* () {
          yield Buffer.alloc(200_000);
          throw Object.assign(new Error('aborted'), { code: 'ECONNRESET' });
        })(),
        { objectMode: false },
      );
      return { ...object, body };
    });
    for (const path of [`/api/chapters/${chapter.id}/download.cbz`, `/api/pages/${id}/image?variant=original`]) {
      const response = await fetch(t.url + path);
      expect(response.status).toBe(200);
      await expect(response.arrayBuffer()).rejects.toThrow();
      await expect
        .poll(() => logged.splice(0))
        .toEqual([[response.headers.get('x-request-id'), 'Sending a file failed', 'aborted']]);
    }
  });
});

it('a file of an earlier version that is shorter than it was when it was stored is cut off, and logged', async () => {
  const chapter = await world.chapter((await world.project()).id);
  const [id] = await world.addPages(chapter.id, [await largeImage()]);
  const logged: string[] = [];
  vi.spyOn(Logger.prototype, 'error').mockImplementation((error: Error) => {
    logged.push((error.cause as Error).message);
  });
  const file = join(t.config.DATA_DIR, 'uploads/pages', id!.slice(-2), `${id}-original`);
  const withoutSize = readFileSync(file)
    .toString('latin1')
    .replace(/,"size":\d+/, ''); // as earlier versions wrote it
  writeFileSync(file, withoutSize.slice(0, 200_000), 'latin1');
  const response = await fetch(`${t.url}/api/pages/${id}/image?variant=original`);
  await expect(response.arrayBuffer()).rejects.toThrow();
  await expect.poll(() => logged).toEqual([expect.stringMatching(/^\d+ of \d+ bytes$/)]);
});

it('a page for which the storage has something else gets 503, and is sent when that is over', async () => {
  const chapter = await world.chapter((await world.project()).id);
  const [id] = await world.addPages(chapter.id, [await imageFile(3)]);
  const file = join(t.config.DATA_DIR, 'uploads/pages', id!.slice(-2), `${id}-original`);
  const stored = readFileSync(file);
  writeFileSync(file, '{"type":"application/xml","cache_control":""}\n<Error/>');
  const path = `/api/pages/${id}/image?variant=original`;
  expect((await t.request('GET', path)).body).toMatchObject({ status: 503, code: 'storage_unavailable' });
  writeFileSync(file, stored);
  expect((await t.request('GET', path)).status).toBe(200);
});

describe('OPDS page streaming', () => {
  it('offers the pages of a chapter by number, as wide as the reader shows them', async () => {
    const project = await world.project();
    const chapter = await world.chapter(project.id);
    const wide = await sharp({ create: { width: 2000, height: 500, channels: 3, background: '#369' } })
      .jpeg()
      .toBuffer();
    await world.addPages(chapter.id, [wide, await imageFile(6)]);
    const { text } = await t.request('GET', `/api/opds/projects/${project.id}`);
    const href = `/api/opds/chapters/${chapter.id}/pages/{pageNumber}?width={maxWidth}`;
    expect(text).toContain(
      `<link rel="http://vaemendis.net/opds-pse/stream" href="${href}" type="image/jpeg" pse:count="2"/>`,
    );
    const at = async (number: string, width: string) => {
      const { status, bytes, headers } = await get(
        t,
        href.replace('{pageNumber}', number).replace('{maxWidth}', width),
      );
      return status === 200 ? `${headers.get('content-type')} ${(await sharp(bytes).metadata()).width}` : status;
    };
    expect([await at('0', '256'), await at('0', '1080'), await at('0', '2048'), await at('1', '9999')]).toEqual([
      'image/jpeg 256',
      'image/webp 1600',
      'image/jpeg 2000',
      'image/jpeg 320',
    ]);
    for (const number of ['2', '-1', '0x1', '99999999999', '1e1', '%00'])
      expect([400, 404]).toContain(await at(number, '100'));
    expect(await at('0', '0')).toBe(422);
  });
});
