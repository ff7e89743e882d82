#!/usr/bin/env node
import { Command, CommanderError } from 'commander';
import { AdministratorsService } from '../account/administrators.service.js';
import { VERSION } from '../common/version.js';
import { ConfigError } from '../config/config-error.js';
import { Config } from '../config/config.js';
import { DatabaseError } from '../database/database-error.js';
import { EmbeddedPostgresError } from '../database/embedded/embedded-postgres-error.js';
import { Problem } from '../http/problems/problem.js';
import { rotateNationalIds } from './rotate-national-ids.js';
import { withApplication } from './with-application.js';

const EX_USAGE = 64; // sysexits.h, as the other codes
const EX_CONFIG = 78;

const program = new Command('machi')
  .description('Operates an installation of Machi. Reads the same settings as the server.')
  .version(VERSION)
  .option('--json', 'print the result as JSON')
  .showHelpAfterError('Run "machi --help" for the commands.')
  .exitOverride();

const admin = program.command('admin').description('administrators');

admin
  .command('reset')
  .argument('[login]', 'username or e-mail address; ADMIN_USERNAME by default')
  .description('give an administrator a new password, print it, and end the sessions of the account')
  .action(async (login?: string) => {
    const result = await withApplication((app) =>
      app.get(AdministratorsService, { strict: false }).resetPassword(login ?? app.get(Config).ADMIN_USERNAME),
    );
    print(result, `${result.username} can sign in with the password ${result.password} (never shown again)`);
  });

program
  .command('national-ids')
  .description('national ids')
  .command('rotate')
  .description('encrypt and hash all national ids with the current keys; the server may run meanwhile')
  .action(async () => {
    const result = await withApplication(rotateNationalIds);
    print(result, `${result.renewed} rows have values of the current keys now`);
    if (result.failed === 0) return;
    process.stderr.write(
      `${result.failed} rows were encrypted with a key that is not configured: add it to ACCEPTED_NATIONAL_ID_KEYS and repeat the command.\n`,
    );
    process.exitCode = 1;
  });

/** Writes the result of a command to standard output. */
function print(result: object, text: string): void {
  process.stdout.write(`${program.opts()['json'] ? JSON.stringify(result) : text}\n`);
}

/** One sentence for the operator; a stack trace for a defect. */
function explain(error: Error): string {
  if (error instanceof Problem) return error.message;
  const isExplained = [ConfigError, DatabaseError, EmbeddedPostgresError].some((kind) => error instanceof kind);
  return isExplained ? error.message : `The command failed: ${error.stack ?? String(error)}`;
}

try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) process.exit(error.exitCode === 0 ? 0 : EX_USAGE); // it has printed the reason
  process.stderr.write(`${explain(error as Error)}\n`);
  process.exit(error instanceof ConfigError ? EX_CONFIG : 1);
}
