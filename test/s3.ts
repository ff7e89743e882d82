import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { packageRoot } from '../src/common/version.js';

const BUCKET = 'machi';

/**
 * An S3-compatible server as a process of its own, on a free port; the settings lead Machi to it. It seals the tokens of its
 * long lists with a cipher that OpenSSL 3 calls legacy.
 */
export async function startS3() {
  const folder = mkdtempSync(join(tmpdir(), 'machi-s3-'));
  const script = join(packageRoot(), 'node_modules/s3rver/bin/s3rver.js');
  const start = async (port: number) => {
    const options = ['-d', folder, '-a', '127.0.0.1', '-p', String(port), '--configure-bucket', BUCKET];
    const child = spawn(process.execPath, ['--openssl-legacy-provider', script, ...options], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    let output = '';
    while (!/:\d+\s/.test(output)) output += String((await once(child.stdout, 'data'))[0]);
    child.stdout.resume();
    return { child, port: Number(/:(\d+)\s/.exec(output)![1]) };
  };
  let { child, port } = await start(0);
  const stop = async (): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'exit');
  };
  const env = {
    STORAGE: 's3',
    S3_ENDPOINT: `http://127.0.0.1:${port}`,
    S3_BUCKET: BUCKET,
    S3_ACCESS_KEY_ID: 'S3RVER',
    S3_SECRET_ACCESS_KEY: 'S3RVER',
    S3_FORCE_PATH_STYLE: 'true',
  };
  return {
    env,
    /** Its folder, with a folder a bucket. */
    folder,
    /** Nothing listens there any more. */
    down: stop,
    async up(): Promise<void> {
      ({ child, port } = await start(port));
    },
    async remove(): Promise<void> {
      await stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
