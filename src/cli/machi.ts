#!/usr/bin/env node
import { Command, CommanderError } from 'commander';
import { VERSION } from '../common/version.js';
import { ConfigError } from '../config/config-error.js';
import { DatabaseError, DatabaseUnreachableError } from '../database/database-error.js';
import { EmbeddedPostgresError } from '../database/embedded/embedded-postgres-error.js';
import type { FieldError, Problem } from '../http/problems/problem.js';
import { addAccountCommands } from './commands/accounts.js';
import { addBackupCommands } from './commands/backup.js';
import { addDatabaseCommands } from './commands/database.js';
import { addInstallationCommands } from './commands/installation.js';
import { addKeyCommands } from './commands/keys.js';
import { CommandError, EXIT } from './exit-codes.js';
import { Output } from './output.js';

const HELP = `
Exit codes: 0 done, 1 refused or failed, 64 wrong usage, 65 damaged backup, 66 unreadable backup, 69
database or storage not reachable, 73 output not writable, 78 wrong settings.`;

const output = (): Output => (current ??= new Output(process.argv.includes('--json')));
let current: Output | undefined;

const program = new Command('machi')
  .description('Operates an installation of Machi. Reads the same settings as the server.')
  .version(VERSION)
  .option('--json', 'print the result, or the error, as one JSON object')
  .showHelpAfterError('Run "machi --help" for the commands.')
  .addHelpText('after', HELP)
  .exitOverride();

const groups = [addAccountCommands, addBackupCommands, addDatabaseCommands, addInstallationCommands, addKeyCommands];
for (const add of groups) add(program, output);

/** Reports why a command failed: a sentence for the operator, or a stack trace for a defect. Returns the exit code. */
async function report(error: unknown): Promise<number> {
  const { Problem } = await import('../http/problems/problem.js');
  const { message, stack } = error as Error;
  if (error instanceof CommandError) output().error(error.code, message);
  else if (error instanceof ConfigError) output().error('config_invalid', message, { errors: error.errors });
  else if (error instanceof Problem) output().error(error.code, problemText(error), error.members);
  else if (error instanceof DatabaseUnreachableError) output().error('database_unreachable', message);
  else if (error instanceof DatabaseError) output().error('database_error', message);
  else if (error instanceof EmbeddedPostgresError) output().error('embedded_postgres', message);
  else output().error('failed', `The command failed: ${stack ?? String(error)}`);
  return exitCodeOf(error);
}

/** Names the fields of invalid input as well. */
function problemText({ message, members }: Problem): string {
  const errors = (members['errors'] ?? []) as FieldError[];
  return [message, ...errors.map((error) => error.message)].join(' ');
}

function exitCodeOf(error: unknown): number {
  if (error instanceof CommandError) return error.exitCode;
  if (error instanceof ConfigError) return EXIT.config;
  const isDown = error instanceof DatabaseUnreachableError || (error as Problem).code === 'storage_unavailable';
  return isDown ? EXIT.unavailable : EXIT.failed;
}

try {
  await program.parseAsync();
} catch (error) {
  if (!(error instanceof CommanderError)) process.exit(await report(error));
  if (error.exitCode === 0) process.exit(0); // --help and --version
  if (output().isJson) output().error('usage', error.message);
  process.exit(EXIT.usage); // commander has printed the reason
}
