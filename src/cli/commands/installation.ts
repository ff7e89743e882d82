import type { Command } from 'commander';
import type { Check } from '../doctor/check.js';
import { ConfigError } from '../../config/config-error.js';
import { EXIT } from '../exit-codes.js';
import type { Output } from '../output.js';

const DOCTOR_HELP = `
Checks the settings, the keys, the database (version, rights, extensions, pooler, connections, clock, migrations), the storage,
the mail server, the proxy in front of PUBLIC_URL and the disks. Exits with 1 if something is wrong; warnings do not count.`;

/** `machi config check`, `machi doctor` and `machi sweep`. */
export function addInstallationCommands(program: Command, output: () => Output): void {
  program
    .command('config')
    .description('settings')
    .command('check')
    .description(
      'check the settings and folders without starting anything; lists them with --show, secrets only as "set"',
    )
    .option('--show', 'list the settings')
    .action(({ show }: { show?: boolean }) => checkConfig(output(), show ?? false));
  program
    .command('doctor')
    .description('find out what is wrong with this installation, and what to do')
    .addHelpText('after', DOCTOR_HELP)
    .action(() => runDoctor(output()));
  program
    .command('sweep')
    .description('delete once what servers delete in the background: expired rows, files without a row')
    .action(() => sweep(output()));
}

/** Invalid settings throw ConfigError. */
async function checkConfig(output: Output, isShown: boolean): Promise<void> {
  const [{ readConfig }, { settingsForPeople }, { findUnwritableFolders }] = await Promise.all([
    import('../../config/load-config.js'),
    import('../../config/settings-for-people.js'),
    import('../unwritable-folders.js'),
  ]);
  const { config, notices } = readConfig();
  const errors = findUnwritableFolders(config);
  if (errors.length > 0) throw new ConfigError([...errors, ...notices]);
  const settings = settingsForPeople(config);
  const lines = Object.entries(settings).map(([name, value]) => `${name}=${String(value)}`);
  const text = ['The settings are valid.', ...notices, ...(isShown ? lines : [])].join('\n');
  output.result({ valid: true, notices, settings }, text);
}

async function runDoctor(output: Output): Promise<void> {
  const { diagnose } = await import('../doctor/doctor.js');
  const { checks } = await diagnose((name) => output.progress(`Checking: ${name}`));
  const count = (status: Check['status']): number => checks.filter((check) => check.status === status).length;
  const summary = { errors: count('error'), warnings: count('warning') };
  output.result(
    { ok: summary.errors === 0, ...summary, checks },
    [...checks.map(checkText), `${summary.errors} errors, ${summary.warnings} warnings`].join('\n'),
  );
  if (summary.errors > 0) process.exitCode = EXIT.failed;
}

const checkText = ({ status, name, detail, remedy }: Check): string =>
  `${status.padEnd(7)}  ${name}: ${detail}${remedy === undefined ? '' : `\n${' '.repeat(9)}→ ${remedy}`}`;

async function sweep(output: Output): Promise<void> {
  const { loadConfig } = await import('../../config/load-config.js');
  loadConfig(); // wrong settings first: the application takes a second to load
  const [{ withApplication }, { runSweepers }] = await Promise.all([
    import('../with-application.js'),
    import('../sweepers.js'),
  ]);
  const sweepers = await withApplication((app) => runSweepers(app, (name) => output.progress(`Sweeping: ${name}`)));
  const failed = sweepers.filter(({ error }) => error !== undefined);
  output.result(
    { sweepers, failed: failed.length },
    sweepers
      .map(
        ({ sweeper, error }) =>
          `${error === undefined ? 'done   ' : 'failed '}  ${sweeper}${error === undefined ? '' : `: ${error}`}`,
      )
      .join('\n'),
  );
  if (failed.length > 0) process.exitCode = EXIT.failed;
}
