import { Inject, Injectable, Logger, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import type { Pool } from 'pg';
import { deriveKey } from '../common/keys/encryption.js';
import { Config } from '../config/config.js';
import { ADVISORY_LOCKS } from '../database/advisory-locks.js';
import { DedicatedConnectionService } from '../database/connections/dedicated-connection.service.js';
import { POOL } from '../database/connections/pool.js';

const CHECK_INTERVAL_MS = 5_000;

const REGISTER = `select pg_advisory_lock_shared(${ADVISORY_LOCKS.busChannels}, $1)`;
/** Whether processes on this database use other channels than $1. */
const HAS_OTHERS = `select exists (
    select from pg_locks l join pg_database d on d.oid = l.database
    where l.locktype = 'advisory' and l.classid = ${ADVISORY_LOCKS.busChannels} and l.objid <> $1::int::oid and l.granted
      and d.datname = current_database()
  ) as has_others`;

/**
 * Finds nodes on the same database whose messages this node cannot get, because their bus has other channels: those of another
 * `BUS`, or with Redis of another `SECRET_KEY`. Each node holds a lock that names its channels.
 */
@Injectable()
export class BusAgreementService implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly log = new Logger(BusAgreementService.name);
  private readonly channels: number | null;
  private timer: NodeJS.Timeout | undefined;
  /** Whether no other channels are known. */
  isComplete = true;

  constructor(
    config: Config,
    @Inject(POOL) private readonly pool: Pool,
    connection: DedicatedConnectionService,
  ) {
    this.channels = config.BUS === 'memory' ? null : channelsOf(config);
    if (this.channels === null) return;
    connection.hold({
      operation: 'Registering the channels of the bus',
      onConnected: async (client) => {
        await client.query(REGISTER, [this.channels]);
        await this.check();
      },
    });
  }

  onApplicationBootstrap(): void {
    if (this.channels === null) return;
    // A failure of the database is logged by those who need it more.
    this.timer = setInterval(() => void this.check().catch(() => undefined), CHECK_INTERVAL_MS);
  }

  onApplicationShutdown(): void {
    clearInterval(this.timer);
  }

  private async check(): Promise<void> {
    const { rows } = await this.pool.query<{ has_others: boolean }>(HAS_OTHERS, [this.channels]);
    const isComplete = !rows[0]!.has_others;
    if (isComplete === this.isComplete) return;
    this.isComplete = isComplete;
    if (isComplete) this.log.log('All nodes on this database use the same bus again');
    else
      this.log.warn(
        'Other nodes on this database have another BUS or SECRET_KEY: their messages arrive late. Give all nodes the same settings',
      );
  }
}

/** A number that differs, but by chance, for channels on which nodes do not hear each other. */
function channelsOf({ BUS, SECRET_KEY }: Config): number {
  const key = BUS === 'postgres' ? 'postgres' : SECRET_KEY;
  return deriveKey(key, `bus ${BUS}`).readUInt32BE() >>> 1;
}
