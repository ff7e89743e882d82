type Values = Record<string, string>;

interface Alias {
  name: string;
  setting: string;
  convert?: (value: string) => string;
  /** Whether the value may come as a file. */
  isSecret?: boolean;
}

/** The settings of the replaced systems whose names differ from ours. */
const ALIASES: Alias[] = [
  { name: 'ACCESS_TOKEN_EXPIRE_MINUTES', setting: 'IDENTITY_TOKEN_TTL', convert: (minutes) => `${minutes}m` },
  { name: 'REFRESH_TOKEN_EXPIRE_DAYS', setting: 'REFRESH_TOKEN_TTL', convert: (days) => `${days}d` },
  { name: 'JWTSECRET', setting: 'SECRET_KEY', isSecret: true },
  { name: 'SECRET_TOKEN', setting: 'SECRET_KEY', isSecret: true },
  { name: 'CORS_ALLOW_ORIGIN', setting: 'ALLOWED_ORIGINS' },
];

/** Returns the environment with the values of old names under our names, which take precedence, and one sentence for each. */
export function withAliases(environment: Values): { values: Values; notices: string[] } {
  const values = { ...environment };
  const notices: string[] = [];
  for (const { name, setting, convert = String, isSecret = false } of ALIASES) {
    for (const suffix of isSecret ? ['', '_FILE'] : ['']) {
      const value = environment[name + suffix];
      if (value === undefined) continue;
      const isSet = values[setting] !== undefined || values[`${setting}_FILE`] !== undefined;
      if (!isSet) values[setting + suffix] = convert(value);
      const consequence = isSet
        ? `is ignored, because ${setting} is set: remove it`
        : `is read as ${setting}: rename it`;
      notices.push(`${name}${suffix} ${consequence}.`);
    }
  }
  return { values, notices };
}
