import type { Command } from 'commander';
import type { Output } from '../output.js';

const PSQL_HELP = `
Runs the program psql with the connection of Machi if it is installed, and passes other options on. Without it, and with --json, the
statements of --command, or of standard input, are sent as they are.

  machi psql
  machi psql -c 'select version()'
  machi --json psql -c 'select now()'`;

/** `machi migrate` and `machi psql`. */
export function addDatabaseCommands(program: Command, output: () => Output): void {
  program
    .command('migrate')
    .description('run the pending migrations; servers of this version that start meanwhile wait')
    .option('--plan', 'only list them')
    .action(async ({ plan }: { plan?: boolean }) => {
      const { migrate, planMigrate } = await import('../migrate.js');
      await (plan ? planMigrate(output()) : migrate(output()));
    });
  program
    .command('psql')
    .description('send SQL to the database of Machi, embedded or not, as the role of Machi')
    .argument('[arguments...]', 'options of psql')
    .option('-c, --command <sql>', 'the statements to run')
    .allowUnknownOption()
    .addHelpText('after', PSQL_HELP)
    .action(async (args: string[], { command }: { command?: string }) => {
      const { runPsql } = await import('../psql.js');
      await runPsql(args, command, output());
    });
}
