import { Argument, type Command } from 'commander';
import { EXIT } from '../exit-codes.js';
import type { KeyKind, RotationStep } from '../key-rotation.js';
import type { Output } from '../output.js';

/** Those of `key-rotation.ts`, which is loaded only when the command runs. */
const KINDS: Record<KeyKind, true> = { signing: true, certificate: true };

const ROTATE_HELP = `
Does the next step of a rotation, and says what to do then. Each step ends with a restart of all servers, one after the
other:

  announce   creates the next key and accepts it, so that it is published before it signs
  activate   five minutes later: it signs, and the former key is accepted
  retire     when all that the former key signed has expired: it is no longer accepted

With --stolen, a new key signs at once and the former one is not accepted: users sign in again; certificates have to be
issued again. The files are those of SIGNING_KEY_FILE and ACCEPTED_SIGNING_KEYS_FILE, or of CERTIFICATE_KEY_FILE and
ACCEPTED_CERTIFICATE_KEYS_FILE, which must be writable.`;

/** `machi keys rotate` and `machi national-ids rotate`. */
export function addKeyCommands(program: Command, output: () => Output): void {
  program
    .command('keys')
    .description('keys that sign')
    .command('rotate')
    .description('do the next step of the rotation of a key')
    .addArgument(new Argument('[kind]', 'of tokens or of certificates').choices(Object.keys(KINDS)).default('signing'))
    .option('--now', 'do not wait until a step is due')
    .option('--stolen', 'replace the key at once and do not accept it any longer')
    .addHelpText('after', ROTATE_HELP)
    .action(async (kind: KeyKind, options: { now?: boolean; stolen?: boolean }) => {
      const [{ loadConfig }, { rotateKey }] = await Promise.all([
        import('../../config/load-config.js'),
        import('../key-rotation.js'),
      ]);
      const result = rotateKey(loadConfig(), kind, options);
      output().result({ kind, ...result }, stepText(result));
    });
  program
    .command('national-ids')
    .description('national ids')
    .command('rotate')
    .description('encrypt and hash all national ids with the current keys; the server may run meanwhile')
    .action(() => rotateIds(output()));
}

function stepText({ step, kid, due_at, next }: RotationStep): string {
  const done = {
    announced: `Created the next key ${kid}.`,
    activated: `The key ${kid} signs after the restart.`,
    retired: 'Former keys are no longer accepted.',
    waiting: due_at === null ? 'Nothing is due.' : `Nothing to do before ${due_at}.`,
  }[step];
  return `${done}\n${next}`;
}

async function rotateIds(output: Output): Promise<void> {
  const [{ withApplication }, { rotateNationalIds }] = await Promise.all([
    import('../with-application.js'),
    import('../rotate-national-ids.js'),
  ]);
  const result = await withApplication((app) =>
    rotateNationalIds(app, (renewed) => output.progress(`${renewed} rows renewed`)),
  );
  output.result(result, `Renewed ${result.renewed} rows with the current keys.`);
  if (result.failed === 0) return;
  output.note(
    `${result.failed} rows were encrypted with a key that is not configured: add it to ACCEPTED_NATIONAL_ID_KEYS and repeat the command.`,
  );
  process.exitCode = EXIT.failed;
}
