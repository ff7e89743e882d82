import type { INestApplicationContext } from '@nestjs/common';
import type { Command } from 'commander';
import type { OperatorService } from '../../account/operator.service.js';
import type { Output } from '../output.js';

/** `machi admin create`, `machi admin reset` and `machi user unlock`. */
export function addAccountCommands(program: Command, output: () => Output): void {
  const admin = program.command('admin').description('administrators');
  admin
    .command('create')
    .description('create an administrator with a new password, which is printed once')
    .argument('<username>')
    .option('--fullname <name>', 'the name that other users see', 'Administrator')
    .option('--email <address>', 'gets a link that verifies it')
    .action(async (username: string, options: { fullname: string; email?: string }) => {
      const [{ assertValid }, { CreateUserDto }] = await Promise.all([
        import('../../http/validation.js'),
        import('../../users/users.dto.js'),
      ]);
      const user = assertValid(CreateUserDto, { username, ...options, password: 'is made later' });
      const result = await withOperator((operator) => operator.createAdministrator(user));
      output().result(result, passwordText(result));
    });
  admin
    .command('reset')
    .description('give an administrator a new password, which is printed once, and end the sessions of the account')
    .argument('[login]', 'username or e-mail address; ADMIN_USERNAME by default')
    .action(async (login?: string) => {
      const { Config } = await import('../../config/config.js');
      const result = await withOperator((operator, app) =>
        operator.resetPassword(login ?? app.get(Config).ADMIN_USERNAME),
      );
      output().result(result, passwordText(result));
    });
  program
    .command('user')
    .description('users')
    .command('unlock')
    .description('forget the failed sign-ins of a user, who then need not wait any longer')
    .argument('<login>', 'username or e-mail address')
    .action(async (login: string) => {
      const result = await withOperator((operator) => operator.unlock(login));
      output().result(result, `${result.username} can sign in again at once`);
    });
}

const passwordText = ({ username, password }: { username: string; password: string }): string =>
  `${username} can sign in with the password ${password} (never shown again)`;

/** The application is loaded for a command that needs it only: it takes a second. */
async function withOperator<T>(
  work: (operator: OperatorService, app: INestApplicationContext) => Promise<T>,
): Promise<T> {
  const [{ withApplication }, service] = await Promise.all([
    import('../with-application.js'),
    import('../../account/operator.service.js'),
  ]);
  return withApplication((app) => work(app.get(service.OperatorService, { strict: false }), app));
}
