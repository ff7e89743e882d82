import { createHmac } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readCertifiedKeyPair, readCertifiedKeys } from '../../common/keys/key-pair.js';
import type { Config } from '../../config/config.js';
import { CREATED_KEYS, type CreatedKey } from '../../config/load-config.js';

/** Names the keys without which stored data cannot be read or verified. */
export type Fingerprints = Partial<Record<CreatedKey, string>>;

const names = Object.keys(CREATED_KEYS) as CreatedKey[];

/** The fingerprints of the current keys. They tell whether a key is the same, and nothing else about it. */
export const fingerprints = (config: Config): Fingerprints =>
  Object.fromEntries(
    names.flatMap((name) =>
      fingerprintsOf(config, name)
        .slice(0, 1)
        .map((one) => [name, one]),
    ),
  );

/** The keys of a backup that this installation has neither as the current key nor as an accepted one. */
export const missingKeys = (config: Config, backup: Fingerprints): CreatedKey[] =>
  names.filter((name) => backup[name] !== undefined && !fingerprintsOf(config, name).includes(backup[name]));

/** Of the current key, and then of those that are accepted besides it. */
function fingerprintsOf(config: Config, name: CreatedKey): string[] {
  if (name === 'CERTIFICATE_KEY') return certificateKeys(config);
  const accepted = name === 'SECRET_KEY' ? [] : config[`ACCEPTED_${name}S`];
  return [config[name], ...accepted].map(hashOf);
}

/** The thumbprints of the public keys: a former key is accepted without its private half. */
function certificateKeys({ CERTIFICATE_KEY, ACCEPTED_CERTIFICATE_KEYS }: Config): string[] {
  if (CERTIFICATE_KEY === undefined) return [];
  const accepted = ACCEPTED_CERTIFICATE_KEYS === undefined ? [] : readCertifiedKeys(ACCEPTED_CERTIFICATE_KEYS);
  return [readCertifiedKeyPair(CERTIFICATE_KEY), ...accepted].map(({ published }) => published.kid);
}

/** Keys are random and long, so that no key can be found by trying. */
const hashOf = (key: string): string =>
  createHmac('sha256', key).update('fingerprint in backups').digest('hex').slice(0, 16);

/** The keys that Machi has created in DATA_DIR and uses: those that no setting replaces. */
export const createdKeys = (config: Config): { name: CreatedKey; file: string; content: string }[] =>
  names.flatMap((name) => {
    const file = CREATED_KEYS[name];
    const path = join(config.DATA_DIR, file);
    const content = existsSync(path) ? readFileSync(path, 'utf8') : undefined;
    return content !== undefined && content === config[name] ? [{ name, file, content }] : [];
  });
