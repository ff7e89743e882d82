import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { once } from 'node:events';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { packageRoot } from '../../../src/common/version.js';
import { MAX_PAGE_BYTES } from '../../../src/images/image-jobs.js';
import { UPLOAD_LIMITS } from '../../../src/projects/uploads/limits.js';
import { startApp, type TestApp } from '../../support/app.js';
import { imageFile, jpegOf, MIB } from '../../support/files/images.js';
import { hasNginx, startNginx } from '../../support/servers/nginx.js';
import { projectsWorld } from '../../support/projects/projects.js';
import { uploadsWorld } from '../../support/projects/uploads.js';

/** The largest body of each route that takes more than JSON, in bytes. */
const BODIES: Record<string, number> = {
  'patch /api/users/me': 5 * MIB,
  'put /api/users/me/avatar': 5 * MIB,
  'post /api/vaccination/imports/centres': 2 * MIB,
  'post /api/vaccination/imports/staff': 2 * MIB,
  'post /api/vaccination/imports/lots': 2 * MIB,
  'post /api/vaccination/imports/sessions': 2 * MIB,
  'post /api/uploads/{id}/files': UPLOAD_LIMITS.bytes,
  'put /api/uploads/{id}/archive': UPLOAD_LIMITS.bytes,
  'put /api/projects/{id_or_slug}/cover': UPLOAD_LIMITS.fileBytes,
  'post /api/chat/attachments': MAX_PAGE_BYTES,
};
/** Routes that also take such a form take no files. */
const FORM = 'application/x-www-form-urlencoded';

/** Shorter than in deploy/nginx.conf, so that the test does not wait for 10 s. */
const BODY_TIMEOUT_S = 2;

describe.skipIf(!hasNginx)('uploads through the proxy of the production stack', () => {
  let t: TestApp;
  let proxy: Awaited<ReturnType<typeof startNginx>>;
  let uploads: ReturnType<typeof uploadsWorld>;
  beforeAll(async () => {
    t = await startApp({ env: { TRUST_PROXY: 'loopback' } });
    proxy = await startNginx(t.url, (config) => {
      const line = 'client_body_timeout 10s;';
      expect(config).toContain(line);
      return config.replace(line, `client_body_timeout ${BODY_TIMEOUT_S}s;`);
    });
    uploads = uploadsWorld(t, await projectsWorld(t));
  });
  afterAll(async () => {
    await proxy.stop();
    await t.stop();
  });

  /** The status line and headers of the answer to the head of a request, whose body does not follow. */
  async function headOf(method: string, path: string, length: number): Promise<string> {
    const socket = connect(proxy.port, '127.0.0.1');
    socket.write(
      `${method} ${path} HTTP/1.1\r\nHost: machi\r\nContent-Type: multipart/form-data; boundary=x\r\nContent-Length: ${length}\r\n\r\n`,
    );
    const [data] = await once(socket, 'data');
    socket.destroy();
    return String(data);
  }

  it('let the largest body of each route pass, and refuse a larger one before it is sent', async () => {
    const { paths } = JSON.parse(readFileSync(join(packageRoot(), 'openapi.json'), 'utf8')) as {
      paths: Record<string, Record<string, { requestBody?: { content: object } }>>;
    };
    const routes = Object.entries(paths).flatMap(([path, methods]) =>
      Object.entries(methods)
        .filter(([, { requestBody }]) => {
          const types = Object.keys(requestBody?.content ?? {});
          return types.some((type) => type !== 'application/json') && !types.includes(FORM);
        })
        .map(([method]) => `${method} ${path}`),
    );
    expect(routes.toSorted()).toEqual(Object.keys(BODIES).toSorted());
    for (const [route, bytes] of Object.entries(BODIES)) {
      const [method, path] = route.split(' ') as [string, string];
      const url = path.replaceAll(/\{\w+\}/g, '0199c2a4-6f00-7a11-9c55-0b1d2e3f4a5e');
      // Machi refuses it for its missing token: the proxy has let it pass.
      expect([route, await headOf(method.toUpperCase(), url, bytes + 64 * 1024)]).toEqual([
        route,
        expect.stringMatching(/^HTTP\/1\.1 401 [^]*"token_required"/),
      ]);
      const refused = await headOf(method.toUpperCase(), url, bytes + 4 * MIB);
      expect([route, refused]).toEqual([route, expect.stringMatching(/^HTTP\/1\.1 413 [^]*"body_too_large"/)]);
    }
  });

  it('of pictures of 8 MiB together become the files of an upload, and a cover of 20 MiB that of a project', async () => {
    const upload = await uploads.open();
    const form = new FormData();
    const picture = await jpegOf(4 * MIB);
    for (const name of ['1.jpg', '2.jpg']) form.append('files', new Blob([new Uint8Array(picture)]), name);
    const headers = { authorization: `Bearer ${upload.user.token}` };
    const added = await fetch(`${proxy.url}${upload.path}/files`, { method: 'POST', headers, body: form });
    expect([added.status, ((await added.json()) as { files: unknown[] }).files.length]).toEqual([200, 2]);
    const cover = new FormData();
    cover.set('cover', new Blob([new Uint8Array(await jpegOf(20 * MIB))]), 'cover.jpg');
    const token = await t.asAdmin();
    const set = await fetch(`${proxy.url}/api/projects/${upload.project.id}/cover?version=1`, {
      method: 'PUT',
      headers: { authorization: `Bearer ${token}` },
      body: cover,
    });
    expect(set.status).toBe(200);
  });

  it('arrive while they are sent: a picture is kept before the next one follows, also when the client then stops', async () => {
    const upload = await uploads.open();
    const socket = connect(proxy.port, '127.0.0.1');
    const part = (name: string) => `--x\r\nContent-Disposition: form-data; name="files"; filename="${name}"\r\n\r\n`;
    const picture = await imageFile(3);
    socket.write(
      `POST ${upload.path}/files HTTP/1.1\r\nHost: machi\r\nAuthorization: Bearer ${upload.user.token}\r\n` +
        `Content-Type: multipart/form-data; boundary=x\r\nContent-Length: ${10 * MIB}\r\n\r\n`,
    );
    socket.write(part('1.jpg'));
    socket.write(picture);
    socket.write(`\r\n${part('2.jpg')}`);
    const files = async () => (await uploads.read(upload)).body.files.map(({ name }) => name);
    await expect.poll(files).toEqual(['1.jpg']);
    const start = performance.now();
    socket.resume();
    await once(socket, 'close');
    expect(performance.now() - start).toBeLessThan(BODY_TIMEOUT_S * 3000);
    expect(await files()).toEqual(['1.jpg']);
    expect((await uploads.addFiles(upload, [['2.jpg', picture]])).status).toBe(200);
  });
});
