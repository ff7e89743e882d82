import { isSafeUrl } from '../common/http-client.js';
import type { Config } from './config.js';

/** What is wrong with settings that are each fine by themselves: one sentence a fault, with the mend. */
export const findConfigErrors = (config: Config, defaults: Config): string[] => [
  ...databaseFaults(config),
  ...storageFaults(config),
  ...secretFaults(config),
  ...externalIdentityFaults(config),
  ...(config.isProduction ? productionFaults(config, defaults) : []),
];

function databaseFaults(config: Config): string[] {
  const parts = [config.DB_HOST, config.DB_NAME, config.DB_USER, config.DB_PASSWORD];
  if (config.DATABASE_URL !== undefined || parts.every((part) => part === undefined)) return [];
  return (['DB_HOST', 'DB_NAME', 'DB_USER'] as const)
    .filter((name) => config[name] === undefined)
    .map(
      (name) =>
        `${name} is missing: set it beside the other DB_* variables, or set DATABASE_URL, or none of them for the embedded database.`,
    );
}

function storageFaults(config: Config): string[] {
  if (config.STORAGE !== 's3') return [];
  return (['S3_BUCKET', 'S3_ACCESS_KEY_ID', 'S3_SECRET_ACCESS_KEY'] as const)
    .filter((name) => config[name] === undefined)
    .map((name) => `${name} is missing: STORAGE is "s3", which needs it.`);
}

const MEND = 'set it to a random value, for example from "openssl rand -base64 48"';
const EXAMPLE_SECRET =
  /change.?me|change.?this|example|insecure|placeholder|replace.?me|your.?secret|secret.?key|supersecret|password|development/i;

function secretFaults(config: Config): string[] {
  const secret = config.SECRET_KEY;
  if (secret === undefined) return config.isProduction ? [`SECRET_KEY is missing: ${MEND}.`] : [];
  if (Buffer.byteLength(secret) < 32) return [`SECRET_KEY is shorter than 32 bytes: ${MEND}.`];
  if (config.isProduction && (EXAMPLE_SECRET.test(secret) || new Set(secret).size < 10)) {
    return [`SECRET_KEY looks like a value from an example: ${MEND}.`];
  }
  return [];
}

function externalIdentityFaults({ EXTERNAL_IDENTITY, OIDC_ISSUER, OIDC_AUDIENCE, isProduction }: Config): string[] {
  if (EXTERNAL_IDENTITY !== 'oidc') return [];
  const missing = Object.entries({ OIDC_ISSUER, OIDC_AUDIENCE })
    .filter(([, list]) => list.length === 0)
    .map(([name]) => `${name} is missing: EXTERNAL_IDENTITY "oidc" needs it.`);
  const wrong = OIDC_ISSUER.filter((url) => !isSafeUrl(url, isProduction) || /[?#]/.test(url));
  return [
    ...missing,
    ...wrong.map(() => 'OIDC_ISSUER must be https URLs without a query, separated by commas; http only on the loopback interface outside of production.'), // prettier-ignore
  ];
}

/** What is convenient elsewhere and a hole in production. */
function productionFaults(config: Config, defaults: Config): string[] {
  const lifetimes = (['IDENTITY_TOKEN_TTL', 'REFRESH_TOKEN_TTL', 'SESSION_MAX_AGE'] as const)
    .filter((name) => config[name] === Infinity)
    .map((name) => `${name} is "never": set a lifetime such as 15m or 7d in production.`);
  const others: [boolean, string][] = [
    [config.ALLOWED_ORIGINS.includes('*'), 'ALLOWED_ORIGINS is "*": name the origins of your own sites in production.'],
    [
      config.EXTERNAL_IDENTITY === 'trusted-subject',
      'EXTERNAL_IDENTITY is "trusted-subject", which lets anyone be anyone: set it to off or oidc in production.',
    ],
    [config.RATE_LIMITS === 'off', 'RATE_LIMITS is "off": set it to on in production.'],
    [config.PASSWORD_POLICY === 'off', 'PASSWORD_POLICY is "off": set it to on in production.'],
    [config.BCRYPT_COST < 10, 'BCRYPT_COST is below 10: set it to 10 or more in production (12 is the default).'],
  ];
  const forMail = (['PUBLIC_URL', 'MAIL_FROM'] as const)
    .filter((name) => config.SMTP_URL !== undefined && config[name] === defaults[name])
    .map((name) => `${name} is missing: mails need it, so set it beside SMTP_URL.`);
  return [...lifetimes, ...forMail, ...others.flatMap(([wrong, fault]) => (wrong ? [fault] : []))];
}
