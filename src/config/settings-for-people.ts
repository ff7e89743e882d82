import { Config } from './config.js';
import { listSettings, SECRETS } from './load-config.js';
import { durationText, listDurations } from './setting-decorators.js';

/**
 * The settings in use, for operators, in the form in which they can be set. Of secrets it only tells that they are set; settings
 * that are not set are missing.
 */
export function settingsForPeople(config: Partial<Config>): Record<string, unknown> {
  const secrets: ReadonlySet<string> = new Set([...SECRETS, 'SMS_GATEWAY_URL']); // which may contain a token
  const durations = listDurations(Config);
  const textOf = (name: keyof Config): unknown => {
    if (secrets.has(name)) return 'set';
    return durations.has(name) ? durationText(config[name] as number) : config[name];
  };
  const shown = listSettings()
    .toSorted()
    .filter((name) => config[name] !== undefined && !(secrets.has(name) && isEmptyList(config[name])));
  return Object.fromEntries(shown.map((name) => [name, textOf(name)]));
}

/** The default of a secret that is a list of keys. */
const isEmptyList = (value: unknown): boolean => Array.isArray(value) && value.length === 0;
