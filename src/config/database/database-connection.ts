import { type Parameters, TLS_PARAMETERS, type TlsChoice, tlsChoices } from './database-tls.js';

/** What kind of server a connection needs. https://www.postgresql.org/docs/current/libpq-connect.html */
const SESSION_ATTRIBUTES = ['any', 'read-write', 'read-only', 'primary', 'standby', 'prefer-standby'] as const;
export type SessionAttributes = (typeof SESSION_ATTRIBUTES)[number];

export interface DatabaseConnection {
  /** A host name, an address, or the directory of a Unix socket. */
  host: string;
  port: number;
  database: string;
  user: string;
  password?: string | undefined;
  /** Undefined: no TLS. */
  ssl?: TlsChoice;
  /** What to try when connecting with `ssl` fails: `sslmode` is `allow` or `prefer`. */
  sslFallback?: TlsChoice | undefined;
  sessionAttributes?: SessionAttributes;
  /** Further options of node-postgres that the parameters set. */
  settings?: ClientSettings;
}

interface ClientSettings {
  application_name?: string;
  fallback_application_name?: string;
  options?: string;
  connectionTimeoutMillis?: number;
  keepAlive?: boolean;
  keepAliveInitialDelayMillis?: number;
  enableChannelBinding?: boolean;
  sslnegotiation?: 'postgres' | 'direct';
}

/** The parameters of libpq that say where and as whom to connect; in a URL they precede its other parts. */
const ADDRESS_PARAMETERS = ['host', 'port', 'dbname', 'user', 'password'] as const;

/** Conversions of the remaining parameters to options of node-postgres. They throw an Error that names the parameter. */
const SETTINGS = new Map<string, (value: string) => ClientSettings>([
  ['application_name', (value) => ({ application_name: value })],
  ['fallback_application_name', (value) => ({ fallback_application_name: value })],
  ['options', (value) => ({ options: value })],
  ['connect_timeout', (value) => ({ connectionTimeoutMillis: Math.max(0, seconds('connect_timeout', value)) * 1000 })],
  ['keepalives', (value) => ({ keepAlive: oneOf('keepalives', value, ['0', '1']) === '1' })],
  ['keepalives_idle', (value) => ({ keepAliveInitialDelayMillis: seconds('keepalives_idle', value) * 1000 })],
  ['sslnegotiation', (value) => ({ sslnegotiation: oneOf('sslnegotiation', value, ['postgres', 'direct']) })],
  [
    'channel_binding',
    (value) => ({
      enableChannelBinding: oneOf('channel_binding', value, ['disable', 'prefer']) === 'prefer',
    }),
  ],
]);

/** Parameters that are accepted with the values for which node-postgres needs nothing to be set. */
const FIXED = new Map([
  ['client_encoding', ['UTF8', 'utf8', 'UTF-8', 'utf-8', 'auto']],
  ['gssencmode', ['disable']],
  ['sslcompression', ['0']],
  ['sslsni', ['1']],
]);

/**
 * Reads `postgres://user:password@host:port/name?parameters`, with the parameters and meanings of libpq. `defaults` are
 * parameters that the URL may replace. Throws an Error that says what is wrong and quotes no value.
 */
export function parseDatabaseUrl(text: string, defaults: Parameters = {}): DatabaseConnection {
  const url = readUrl(text);
  const parameters = { ...defaults, ...readParameters(url.search.slice(1)) };
  const user = parameters['user'] ?? decode(url.username);
  const password = parameters['password'] ?? decode(url.password);
  return toConnection(parameters, {
    host: parameters['host'] ?? decode(url.hostname === NO_HOST ? '' : url.hostname),
    port: parameters['port'] ?? url.port,
    user,
    password: password === '' ? undefined : password,
    database: (parameters['dbname'] ?? decode(url.pathname.slice(1))) || user,
  });
}

/** The parameters of libpq that follow the `?` in a URL. */
export const urlParameters = (text: string): Parameters => readParameters(readUrl(text).search.slice(1));

interface Address extends Pick<DatabaseConnection, 'host' | 'user' | 'password' | 'database'> {
  port: string | number;
}

/** A connection to an address with parameters of libpq. Throws as `parseDatabaseUrl`. */
export function toConnection(parameters: Parameters, { host: name, port, ...rest }: Address): DatabaseConnection {
  const settings = readSettings(parameters);
  const [ssl, sslFallback] = tlsChoices(parameters);
  const host = name.replace(/^\[(.*)\]$/, '$1') || 'localhost';
  if (host.includes(',')) throw new Error('it names several hosts, and only one is supported');
  const isSocket = host.startsWith('/'); // as in libpq, sockets have no TLS
  return {
    host,
    port: port === '' ? 5432 : portOf(port),
    ...rest,
    ssl: isSocket ? false : ssl,
    ...(isSocket || sslFallback === undefined ? {} : { sslFallback }),
    sessionAttributes: oneOf('target_session_attrs', parameters['target_session_attrs'] ?? 'any', SESSION_ATTRIBUTES),
    settings,
  };
}

const SCHEME = /^postgres(?:ql)?(?:\+[a-z0-9_]+)?:\/\//i;
const NO_HOST = 'no-host.invalid';

/** As libpq, takes a URL without a host; as SQLAlchemy, takes one with the name of a driver (`postgresql+asyncpg://`). */
function readUrl(text: string): URL {
  if (!SCHEME.test(text)) throw new Error(EXPECTED);
  const rest = text.replace(SCHEME, '');
  if (rest.includes('#')) throw new Error('it contains "#", which is written as %23');
  const authority = /^[^/?]*/.exec(rest)![0];
  const isHostMissing = authority === '' || authority.endsWith('@');
  const withHost = isHostMissing ? `${authority}${NO_HOST}${rest.slice(authority.length)}` : rest;
  if (authority.includes(',')) throw new Error('it names several hosts, and only one is supported');
  if (!URL.canParse(`postgres://${withHost}`)) throw new Error(EXPECTED);
  return new URL(`postgres://${withHost}`);
}

/** Unlike in forms, "+" is not a blank. */
const readParameters = (query: string): Parameters =>
  Object.fromEntries(
    query
      .split('&')
      .filter((pair) => pair !== '')
      .map((pair) => /^([^=]*)=?(.*)$/s.exec(pair)!.slice(1).map(decode) as [string, string]),
  );

const EXPECTED = 'it does not look like postgres://user:password@host:5432/name';

function readSettings(parameters: Parameters): ClientSettings {
  const known = [...ADDRESS_PARAMETERS, ...TLS_PARAMETERS, 'target_session_attrs'] as readonly string[];
  const settings: ClientSettings = {};
  const unsupported: string[] = [];
  for (const [name, value = ''] of Object.entries(parameters)) {
    const convert = SETTINGS.get(name);
    const values = FIXED.get(name);
    if (convert) Object.assign(settings, convert(value));
    else if (values) oneOf(name, value, values);
    else if (!known.includes(name)) unsupported.push(name);
  }
  if (unsupported.length > 0) throw new Error(`it has parameters that are not supported: ${unsupported.join(', ')}`);
  return settings;
}

function oneOf<const Value extends string>(name: string, value: string, values: readonly Value[]): Value {
  const found = values.find((one) => one === value);
  if (found === undefined) throw new Error(`${name} must be one of ${values.join(', ')}`);
  return found;
}

function seconds(name: string, value: string): number {
  if (!/^-?\d{1,6}$/.test(value)) throw new Error(`${name} must be a whole number of seconds`);
  return Number(value);
}

function portOf(port: string | number): number {
  const number = /^\d{1,5}$/.test(String(port)) ? Number(port) : 0;
  if (number < 1 || number > 65535) throw new Error('port must be a whole number from 1 to 65535');
  return number;
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new Error('it contains "%" without two hexadecimal digits; "%" itself is written as %25');
  }
}
