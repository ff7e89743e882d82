import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { Clock } from '../../common/clock.provider.js';
import { SecurityMailsService } from '../security-mails/security-mails.service.js';
import { type Device, deviceName } from './device.js';
import type { Session } from './session.entity.js';

/** A device without a sign-in for this long counts as new again. */
const REMEMBERED_MS = 365 * 86_400_000;

/** An inserted row has xmax 0; the subquery sees the table as it was before the statement. */
const REMEMBER_DEVICE = `insert into known_devices (user_id, name, last_seen_at) values ($1, $2, $3)
  on conflict (user_id, name) do update set last_seen_at = excluded.last_seen_at
  returning xmax = 0 as is_new, exists (select from known_devices d where d.user_id = $1) as has_others`;

/** Enqueues mails about sessions, in the transaction of the event that they report. */
@Injectable()
export class SessionMailsService {
  constructor(
    private readonly mails: SecurityMailsService,
    private readonly clock: Clock,
  ) {}

  /** Reports a sign-in on a new device. The first device is not reported: the user has just registered on it. */
  async sendNewDevice(manager: EntityManager, userId: string, { user_agent }: Device): Promise<void> {
    const name = deviceName(user_agent);
    const now = this.clock.now();
    const forget = 'delete from known_devices where user_id = $1 and last_seen_at < $2';
    await manager.query(forget, [userId, new Date(now - REMEMBERED_MS)]);
    const [device] = await manager.query<{ is_new: boolean; has_others: boolean }[]>(REMEMBER_DEVICE, [
      userId,
      name,
      new Date(now),
    ]);
    if (device!.is_new && device!.has_others) await this.mails.send(manager, userId, 'new_device', name);
  }

  /** Reports that a refresh token was used twice and the session has been revoked. */
  async sendTokenReused(manager: EntityManager, { user_id, user_agent }: Session): Promise<void> {
    await this.mails.send(manager, user_id, 'refresh_reuse', deviceName(user_agent));
  }
}
