import { randomBytes } from 'node:crypto';
import type { ConfigError } from '../../../src/config/config-error.js';
import { loadConfig } from '../../../src/config/load-config.js';

export const SECRET_KEY = randomBytes(32).toString('base64url');

/** The keys that production does not start without. */
export const KEYS = {
  SECRET_KEY,
  NATIONAL_ID_KEY: randomBytes(32).toString('base64url'),
  NATIONAL_ID_INDEX_KEY: randomBytes(32).toString('base64url'),
};

/** The smallest environment of a production start. */
export const production = { NODE_ENV: 'production', ...KEYS };

/** The errors of a start with this environment. */
export function findConfigErrors(env: Record<string, string>): string[] {
  try {
    loadConfig(env);
    return [];
  } catch (error) {
    return (error as ConfigError).errors;
  }
}
