import { createPrivateKey, createPublicKey } from 'node:crypto';
import { closeSync, existsSync, openSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createKeyPair, readCertifiedKeyPair, readCertifiedKeys, readKeyPair } from '../common/keys/key-pair.js';
import { readSmallFile } from '../common/small-file.js';
import type { Config } from '../config/config.js';
import { secretFile } from '../config/load-config.js';
import { CommandError, EXIT } from './exit-codes.js';

/** How long caches may keep the published keys. */
const PUBLICATION_MS = 5 * 60_000;
const YEAR_MS = 365 * 86_400_000;

/** The settings of a key, and how long what it signed is valid. */
export const KEY_KINDS = {
  signing: {
    key: 'SIGNING_KEY',
    accepted: 'ACCEPTED_SIGNING_KEYS',
    lifetime: ({ REFRESH_TOKEN_TTL }: Config) => REFRESH_TOKEN_TTL,
  },
  certificate: { key: 'CERTIFICATE_KEY', accepted: 'ACCEPTED_CERTIFICATE_KEYS', lifetime: () => YEAR_MS },
} as const;
export type KeyKind = keyof typeof KEY_KINDS;

/** What a call of `rotateKey` did. */
export interface RotationStep {
  step: 'announced' | 'activated' | 'retired' | 'waiting';
  /** The id of the key that will sign, or signs. */
  kid: string;
  /** When the next step may follow; null if none has to. */
  due_at: string | null;
  /** What the operator has to do. */
  next: string;
}

interface Files {
  key: string;
  accepted: string;
  /** The next key, between announcing and activating it. */
  next: string;
}

/**
 * Does the next step of a rotation, which the files themselves tell: a key that is announced but does not sign yet is activated,
 * former keys are retired, otherwise a key is announced. Each file changes at once; a step that was interrupted is repeated.
 * Throws `not_rotatable`, `rotation_running`, `cannot_create`.
 */
export function rotateKey(
  config: Config,
  kind: KeyKind,
  options: { now?: boolean; stolen?: boolean } = {},
): RotationStep {
  const files = filesOf(kind);
  return locked(files, () => nextStep(config, kind, files, options));
}

function nextStep(
  config: Config,
  kind: KeyKind,
  files: Files,
  { now = false, stolen = false }: { now?: boolean; stolen?: boolean },
): RotationStep {
  if (kind === 'certificate' && readCertifiedKeyPair(readSmallFile(files.key)).x509) throw notRotatable(CERTIFIED);
  const lifetime = KEY_KINDS[kind].lifetime(config);
  if (stolen) return replaceStolen(files);
  if (existsSync(files.next)) return activate(files, lifetime, now);
  const formerKeys = acceptedKeys(files).filter(({ kid }) => kid !== kidOf(readSmallFile(files.key)));
  return formerKeys.length > 0 ? retire(files, lifetime, now) : announce(files);
}

function announce(files: Files): RotationStep {
  const next = createKeyPair();
  accept(files, next); // first: a key that is accepted and lost does no harm
  write(files.next, next, modeOf(files.key));
  const text = 'Restart all servers one after the other, so that they publish it. Then run this command again.';
  return { step: 'announced', kid: kidOf(next), due_at: later(Date.now(), PUBLICATION_MS), next: text };
}

function activate(files: Files, lifetime: number, now: boolean): RotationStep {
  const kid = nextKid(files);
  const due = statSync(files.next).mtimeMs + PUBLICATION_MS;
  if (!now && Date.now() < due) {
    const text = 'The next key must have been published for five minutes before it signs. --now skips the wait.';
    return { step: 'waiting', kid, due_at: later(due, 0), next: text };
  }
  accept(files, readSmallFile(files.key));
  rename(files.next, files.key);
  const text =
    'Restart all servers one after the other. The former key stays accepted until what it signed has expired.';
  return { step: 'activated', kid, due_at: later(Date.now(), lifetime), next: text };
}

function retire(files: Files, lifetime: number, now: boolean): RotationStep {
  const kid = kidOf(readSmallFile(files.key));
  const due = statSync(files.accepted).mtimeMs + lifetime;
  if (!now && Date.now() < due) {
    const text = 'Former keys are accepted until what they signed has expired. --now retires them at once.';
    return { step: 'waiting', kid, due_at: later(due, 0), next: text };
  }
  write(files.accepted, publicPem(readSmallFile(files.key)), modeOf(files.accepted));
  return { step: 'retired', kid, due_at: null, next: 'Restart the servers when convenient.' };
}

/** Neither the stolen key nor those before it are accepted, nor one that was announced: it may have been stolen as well. */
function replaceStolen(files: Files): RotationStep {
  const key = createKeyPair();
  if (existsSync(files.next)) rename(files.next, `${files.next}.discarded`); // first: the next step would activate it
  write(files.accepted, publicPem(key), modeOf(files.accepted));
  write(files.key, key, modeOf(files.key));
  return { step: 'activated', kid: kidOf(key), due_at: null, next: 'Restart all servers at once.' };
}

const CERTIFIED = 'An authority has certified the key: have the next one certified, and follow docs/operations.md.';

function filesOf(kind: KeyKind): Files {
  const { key, accepted } = KEY_KINDS[kind];
  const files = { key: secretFile(key), accepted: secretFile(accepted) };
  for (const name of ['key', 'accepted'] as const) {
    if (files[name] !== undefined) continue;
    const remedy = `create it with "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256"`;
    const setting = KEY_KINDS[kind][name];
    throw notRotatable(
      `${setting}_FILE is not set: set it to the path of a file${name === 'key' ? `, and ${remedy}` : ', which holds the public key'}.`,
    );
  }
  return { key: files.key!, accepted: files.accepted!, next: `${files.key}.next` };
}

const notRotatable = (message: string): CommandError => new CommandError('not_rotatable', message, EXIT.config);

const acceptedKeys = ({ accepted }: Files): { kid: string }[] =>
  readCertifiedKeys(readSmallFile(accepted)).map(({ published }) => published);

/** Adds the public half of a key to the accepted ones, once. */
function accept(files: Files, key: string): void {
  if (acceptedKeys(files).some(({ kid }) => kid === kidOf(key))) return;
  write(files.accepted, `${readSmallFile(files.accepted).trimEnd()}\n${publicPem(key)}`, modeOf(files.accepted));
}

const kidOf = (pem: string): string => readKeyPair(pem).published.kid;

function nextKid({ next }: Files): string {
  try {
    return kidOf(readSmallFile(next));
  } catch (error) {
    throw notRotatable(`${next} is damaged (${(error as Error).message}): remove it, and run this command again.`);
  }
}

const publicPem = (pem: string): string =>
  createPublicKey(createPrivateKey(pem)).export({ type: 'spki', format: 'pem' }).toString();

const modeOf = (file: string): number => statSync(file).mode & 0o777;

const later = (time: number, ms: number): string | null =>
  Number.isFinite(time + ms) ? new Date(time + ms).toISOString() : null;

/**
 * Two commands at once would overwrite what the other has written. The lock is a file, because those of the kernel are out of
 * reach for Node.js; a command that is killed within these milliseconds leaves it.
 */
function locked<T>({ key }: Files, work: () => T): T {
  const lock = `${key}.lock`;
  try {
    closeSync(openSync(lock, 'wx', 0o600));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw cannotCreate(lock, error);
    throw new CommandError(
      'rotation_running',
      `Another command changes this key: run this one again. If none runs, one was killed: remove ${lock}.`,
    );
  }
  try {
    return work();
  } finally {
    rmSync(lock);
  }
}

function rename(from: string, to: string): void {
  try {
    renameSync(from, to);
  } catch (error) {
    throw cannotCreate(to, error);
  }
}

const cannotCreate = (file: string, error: unknown): CommandError =>
  new CommandError('cannot_create', `${file} cannot be written (${(error as Error).message}).`, EXIT.cannotCreate);

/** Replaces a file at once, with a mode that servers of another user may need. */
function write(file: string, content: string, mode: number): void {
  const unfinished = `${file}.unfinished`;
  try {
    // Not writeSync, which on a full disk may write a part without an error.
    writeFileSync(unfinished, content, { mode, flush: true });
    renameSync(unfinished, file);
  } catch (error) {
    throw cannotCreate(file, error);
  }
}
