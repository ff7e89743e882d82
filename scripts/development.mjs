// What `npm run seed` and `npm run tour` share: the Machi of this machine, and its administrator.
import { MachiClient, MachiProblem } from '../clients/typescript/dist/index.js';
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './prepare.mjs';

/** A password for the users of a development database. */
export const PASSWORD = 'cloudy harbour seven';
/** The administrator's, unless ADMIN_PASSWORD sets another one. */
const DEVELOPMENT_ADMIN_PASSWORD = 'quiet lighthouse forty';

/** Ends the program with a sentence for the developer. */
export function refuse(sentence) {
  console.error(sentence);
  process.exit(1);
}

/** Reads .env as `npm start` does. Refuses in production. */
export function readSettings() {
  if (existsSync(join(root, '.env'))) process.loadEnvFile(join(root, '.env'));
  if (process.env.NODE_ENV === 'production') refuse('NODE_ENV is "production": this is for development only.');
  return { url: (process.env.MACHI_URL ?? `http://127.0.0.1:${process.env.PORT || 5000}`).replace(/\/$/, '') };
}

/** Whether a Machi answers at the address. Refuses one in production, which does not serve the example. */
export async function isRunning(url) {
  const isUp = await fetch(`${url}/api/health/ready`).then(
    ({ ok }) => ok,
    () => false,
  );
  if (isUp && !(await fetch(`${url}/example/`)).ok) refuse(`The Machi at ${url} is not one for development.`);
  return isUp;
}

const OTHER_MACHI =
  'Use the settings of the Machi that runs, such as DATA_DIR, or set ADMIN_USERNAME and ADMIN_PASSWORD to those of its administrator.';

/** Gives the administrator a new password, in the database that the settings of this process name. */
function resetPassword() {
  const command = [join(root, 'scripts/machi.mjs'), '--json', 'admin', 'reset'];
  const { stdout } = spawnSync(process.execPath, command, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
  const { password, error } = JSON.parse(stdout);
  if (error) refuse(`${OTHER_MACHI} The reset failed: ${error.message}`);
  return password;
}

/**
 * Signs in as the administrator. If no known password fits, gives the account a new one on this machine, as
 * `npm run admin:reset` does. Returns the password.
 */
export async function signInAsAdministrator(machi) {
  const login = process.env.ADMIN_USERNAME || 'admin';
  const known = process.env.ADMIN_PASSWORD || DEVELOPMENT_ADMIN_PASSWORD;
  try {
    await machi.signIn(login, known);
    return known;
  } catch (error) {
    if (!(error instanceof MachiProblem && error.is('invalid_credentials'))) throw error;
  }
  console.error(`The password of ${login} is not known: making a new one …`);
  let password = resetPassword();
  await machi.signIn(login, password).catch(() => refuse(OTHER_MACHI));
  if (!process.env.ADMIN_PASSWORD) {
    await machi.api.changePassword({ body: { current_password: password, new_password: known } });
    password = known;
    await machi.signIn(login, password); // the change has ended the session
  }
  console.error(`${login} has the password "${password}" now.`);
  return password;
}

export const newClient = (url) => new MachiClient({ baseUrl: url });

/** A national id that no other person has. */
export const newNationalId = () => Array.from({ length: 13 }, () => 1 + Math.floor(Math.random() * 9)).join('');

/** In so many days, as ISO 8601. */
export const inDays = (days, hours = 0) => new Date(Date.now() + days * 86_400_000 + hours * 3_600_000).toISOString();
