/** The process answers. */
export class StatusDto {
  /** @example ok */
  status: 'ok';
}

/** How this process sees the caller's connection. */
export class ClientDto {
  /**
   * The address of the client, under which its requests are counted; null if it cannot be read.
   * @example 198.51.100.7
   */
  address: string | null;
  /**
   * Whether the request had the header `X-Forwarded-For`, and whether it came from a proxy that is trusted (`TRUST_PROXY`).
   * @example trusted
   */
  forwarded: 'none' | 'trusted' | 'ignored';
}

/** The results of the health checks. */
export class ChecksDto {
  /** @example ok */
  process: 'ok' | 'stopping';
  /** @example ok */
  database: 'ok' | 'read_only' | 'unavailable';
  /** @example ok */
  migrations: 'ok' | 'pending' | 'unknown';
  /**
   * Whether this process is notified of sessions that end on other nodes. If not, it queries the database every 5 s.
   * @example ok
   */
  notifications: 'ok' | 'unavailable';
  /**
   * Whether this process and the other nodes reach each other over the bus. It does not affect readiness: if `degraded`, messages
   * of other nodes arrive late: the bus is not reached, or other nodes use another one, as the log says. `off`: there are no other nodes.
   * @example ok
   */
  bus: 'ok' | 'degraded' | 'off';
  /** @example ok */
  storage: 'ok' | 'unavailable';
  /**
   * The result of the last attempt of this process to send a mail. It does not affect readiness. `refused`: the mail server does
   * not accept this sender. `off`: no mail server is set.
   * @example ok
   */
  mail: 'ok' | 'refused' | 'unavailable' | 'off';
}

/** This process can serve requests. */
export class ReadyDto extends StatusDto {
  checks: ChecksDto;
}

/** As ReadyDto, with the version of Machi. */
export class HealthDto extends ReadyDto {
  /** @example 0.1.0 */
  version: string;
}
