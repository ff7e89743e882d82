import type { Config } from './config.js';
import { listSettings, SECRETS } from './load-config.js';

/** The settings in use, for operators: of secrets it only tells that they are set. Those that are not set are missing. */
export function settingsForPeople(config: Partial<Config>): Record<string, unknown> {
  const secrets: readonly string[] = [...SECRETS, 'SMS_GATEWAY_URL']; // which may contain a token
  const settings = listSettings()
    .toSorted()
    .filter((name) => config[name] !== undefined);
  return Object.fromEntries(settings.map((name) => [name, secrets.includes(name) ? 'set' : valueText(config[name])]));
}

/** JSON has no Infinity, which stands for durations without an end. */
const valueText = (value: unknown): unknown => (value === Infinity ? 'never' : value);
