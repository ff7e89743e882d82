import type { Command } from 'commander';
import type { RestoreOptions } from '../backups/restore-backup.js';
import type { Output } from '../output.js';

const BACKUP_HELP = `
The server may run meanwhile. The backup is a tar archive with the rows of one moment, the files of these rows,
checksums, and the keys that Machi has created in DATA_DIR. Keys that come from settings are not in it: keep
them elsewhere. Protect it like passwords.

  machi backup /backups/machi.tar
  machi backup - | age -r age1… > machi.tar.age`;

const RESTORE_HELP = `
Database and storage must be empty, and no server may have started on them. Rows appear all at once, after the
whole backup has been compared with its checksums. Backups of older versions are migrated.

  machi restore /backups/machi.tar
  machi restore --verify-only /backups/machi.tar`;

/** `machi backup` and `machi restore`. */
export function addBackupCommands(program: Command, output: () => Output): void {
  program
    .command('backup')
    .description('copy database and files into one archive, while servers run')
    .argument('<file>', 'the archive, which must not exist; - for standard output')
    .addHelpText('after', BACKUP_HELP)
    .action(async (file: string) => (await load()).backup(file, output()));
  program
    .command('restore')
    .description('restore an archive into an empty database and storage')
    .argument('<file>', 'the archive; - for standard input')
    .option('--verify-only', 'only compare the archive with its checksums')
    .option('--accept-other-keys', 'restore also when keys of the backup are missing')
    .addHelpText('after', RESTORE_HELP)
    .action(async (file: string, options: RestoreOptions & { verifyOnly?: boolean }) => {
      const { restore, verify } = await load();
      await (options.verifyOnly ? verify(file, output()) : restore(file, options, output()));
    });
}

/** Loaded when one of them runs: storage and database take half a second. */
const load = () => import('../backups/backup-commands.js');
