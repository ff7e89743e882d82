import { type Config, databaseTls } from '../config.js';
import { type DatabaseConnection, urlParameters } from './database-connection.js';

/** The variables in which programs of PostgreSQL read the parameters that a URL may have. */
const VARIABLES: Record<string, string> = {
  sslmode: 'PGSSLMODE',
  sslrootcert: 'PGSSLROOTCERT',
  sslcert: 'PGSSLCERT',
  sslkey: 'PGSSLKEY',
  sslcrl: 'PGSSLCRL',
  sslnegotiation: 'PGSSLNEGOTIATION',
  ssl_min_protocol_version: 'PGSSLMINPROTOCOLVERSION',
  ssl_max_protocol_version: 'PGSSLMAXPROTOCOLVERSION',
  options: 'PGOPTIONS',
  connect_timeout: 'PGCONNECT_TIMEOUT',
  channel_binding: 'PGCHANNELBINDING',
  target_session_attrs: 'PGTARGETSESSIONATTRS',
};

/**
 * The environment in which programs of PostgreSQL connect as Machi does. The password is not part of their arguments, which all
 * users of the machine can read.
 */
export function libpqEnvironment(
  config: Config,
  { host, port, database, user, password }: DatabaseConnection,
): NodeJS.ProcessEnv {
  const url = config.DATABASE_DIRECT_URL ?? config.DATABASE_URL;
  const parameters = { ...databaseTls(config), ...(url === undefined ? {} : urlParameters(url)) };
  const settings = Object.entries(parameters).flatMap(([name, value]) =>
    VARIABLES[name] === undefined || value === undefined ? [] : [[VARIABLES[name], value]],
  );
  return {
    ...process.env,
    ...(Object.fromEntries(settings) as Record<string, string>),
    PGHOST: host,
    PGPORT: String(port),
    PGDATABASE: database,
    PGUSER: user,
    PGPASSWORD: password,
    PGAPPNAME: 'machi psql',
  };
}
