import * as fs from 'node:fs';
import { join } from 'node:path';

const MEMORY = '/dev/shm';
const NAME = /^machi-tests-(\d+)$/;
/** What the tests write at once needs a fraction of this. Docker gives containers 64 MiB unless told otherwise. */
const NEEDED_BYTES = 4 * 1024 ** 3;

/**
 * Lets this process and its children create their temporary files in memory, where the kernel copies a database in a tenth
 * of the time that a disk takes. Does nothing where there is too little memory, and when TMPDIR is set. Returns the removal
 * of the files.
 */
export function keepTemporaryFilesInMemory(): () => void {
  if (process.env['TMPDIR'] !== undefined || !isSuitable()) return () => undefined;
  removeAbandoned();
  const folder = join(MEMORY, `machi-tests-${process.pid}`);
  fs.mkdirSync(folder);
  fs.chmodSync(folder, 0o1777); // like /tmp: PostgreSQL and others run as their own users
  process.env['TMPDIR'] = folder;
  return () => {
    delete process.env['TMPDIR'];
    fs.rmSync(folder, { recursive: true, force: true });
  };
}

/** Some tests execute files that they write. */
function isSuitable(): boolean {
  try {
    const mount = fs.readFileSync('/proc/mounts', 'utf8').match(/^\S+ \/dev\/shm tmpfs (\S+)/m);
    if (!mount || mount[1]!.split(',').includes('noexec')) return false;
    const { bavail, bsize } = fs.statfsSync(MEMORY);
    return Math.min(bavail * bsize, process.availableMemory() / 2) >= NEEDED_BYTES;
  } catch {
    return false;
  }
}

/** Removes the files of test runs that were killed. */
function removeAbandoned(): void {
  for (const name of fs.readdirSync(MEMORY)) {
    const pid = NAME.exec(name)?.[1];
    if (pid !== undefined && !fs.existsSync(`/proc/${pid}`))
      fs.rmSync(join(MEMORY, name), { recursive: true, force: true });
  }
}
