import { X509Certificate } from 'node:crypto';
import { type ConnectionOptions, createSecureContext, type SecureVersion } from 'node:tls';
import { readSmallFile } from '../../common/small-file.js';

/** Parameters of a connection to PostgreSQL by the names of libpq. */
export type Parameters = Partial<Record<string, string>>;

/** `false` for a connection without TLS. */
export type TlsChoice = false | ConnectionOptions;

export const SSL_MODES = ['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full'] as const;
type SslMode = (typeof SSL_MODES)[number];

/** The parameters that `tlsChoices` reads. */
export const TLS_PARAMETERS = [
  'ssl',
  'sslmode',
  'sslrootcert',
  'sslcert',
  'sslkey',
  'sslpassword',
  'sslcrl',
  'sslnegotiation',
  'ssl_min_protocol_version',
  'ssl_max_protocol_version',
] as const;

/**
 * The ways to connect that the TLS parameters allow, in the order in which they are tried: one, or two for `allow` and
 * `prefer`. Meanings: https://www.postgresql.org/docs/current/libpq-ssl.html. Throws an Error that names the parameter.
 */
export function tlsChoices(parameters: Parameters): [TlsChoice, TlsChoice?] {
  const mode = sslMode(parameters);
  if (parameters['sslnegotiation'] === 'direct' && !isAlwaysTls(mode)) {
    throw new Error('sslnegotiation=direct needs sslmode=require, verify-ca or verify-full');
  }
  if (mode === 'disable') return [false];
  const tls = tlsOptions(mode, parameters);
  if (mode === 'allow') return [false, tls];
  return mode === 'prefer' ? [tls, false] : [tls];
}

const isAlwaysTls = (mode: SslMode): boolean => mode === 'require' || mode.startsWith('verify');

function sslMode({ ssl, sslmode, sslrootcert }: Parameters): SslMode {
  if (ssl !== undefined && ssl !== 'true') throw new Error('ssl must be true; use sslmode for other choices');
  const isSystem = sslrootcert === 'system';
  const mode = SSL_MODES.find((one) => one === (sslmode ?? (isSystem ? 'verify-full' : ssl ? 'require' : 'prefer')));
  if (mode === undefined) throw new Error(`sslmode must be one of ${SSL_MODES.join(', ')}`);
  if (isSystem && mode !== 'verify-full') throw new Error('sslrootcert=system needs sslmode=verify-full');
  if (mode === 'verify-ca' && sslrootcert === undefined) {
    throw new Error('sslmode=verify-ca needs sslrootcert: any public authority would be trusted for any host');
  }
  return mode;
}

/**
 * As in libpq, a root certificate is used in every mode, and only verify-full compares the name. Without a root certificate,
 * verify-full trusts the authorities that Node.js trusts.
 */
function tlsOptions(mode: SslMode, parameters: Parameters): ConnectionOptions {
  const { sslrootcert = 'system', sslcert, sslkey } = parameters;
  if ((sslcert === undefined) !== (sslkey === undefined)) throw new Error('sslcert and sslkey need each other');
  const options = withoutUndefined({
    ca: sslrootcert === 'system' ? undefined : readCertificate('sslrootcert', sslrootcert),
    cert: sslcert === undefined ? undefined : readCertificate('sslcert', sslcert),
    key: sslkey === undefined ? undefined : readText('sslkey', sslkey),
    passphrase: parameters['sslpassword'],
    crl: parameters['sslcrl'] === undefined ? undefined : readText('sslcrl', parameters['sslcrl']),
    minVersion: readVersion('ssl_min_protocol_version', parameters),
    maxVersion: readVersion('ssl_max_protocol_version', parameters),
  });
  try {
    if (options.cert !== undefined || options.crl !== undefined) createSecureContext(options);
  } catch (error) {
    throw new Error(`sslcert, sslkey, sslpassword or sslcrl is not valid (${(error as Error).message})`, {
      cause: error,
    });
  }
  return {
    ...options,
    rejectUnauthorized: mode === 'verify-full' || options.ca !== undefined,
    ...(mode === 'verify-full' ? {} : { checkServerIdentity: () => undefined }),
  };
}

function readVersion(name: string, parameters: Parameters): SecureVersion | undefined {
  const version = parameters[name];
  if (version === undefined || version === 'TLSv1.2' || version === 'TLSv1.3') return version;
  throw new Error(`${name} must be TLSv1.2 or TLSv1.3`);
}

function readCertificate(name: string, file: string): string {
  const text = readText(name, file);
  try {
    void new X509Certificate(text);
    return text;
  } catch {
    throw new Error(`${name} must be the path of a certificate in PEM format`);
  }
}

function readText(name: string, file: string): string {
  try {
    return readSmallFile(file);
  } catch (error) {
    throw new Error(`${name} cannot be read (${(error as NodeJS.ErrnoException).code})`, { cause: error });
  }
}

const withoutUndefined = <T extends object>(options: T) =>
  Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as {
    [Name in keyof T]?: Exclude<T[Name], undefined>;
  };
