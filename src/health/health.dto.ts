export class StatusDto {
  /** @example ok */
  status: 'ok';
}

export class ChecksDto {
  /** @example ok */
  process: 'ok' | 'stopping';
  /** @example ok */
  database: 'ok' | 'unavailable';
  /** @example ok */
  migrations: 'ok' | 'pending' | 'unknown';
  /** @example ok */
  storage: 'ok' | 'unavailable';
}

export class ReadyDto extends StatusDto {
  checks: ChecksDto;
}

export class HealthDto extends ReadyDto {
  /** @example 0.1.0 */
  version: string;
}
