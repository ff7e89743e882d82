import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { Clock } from '../../common/clock.provider.js';
import { MailsService } from '../../mail/mails.service.js';
import { User } from '../../users/user.entity.js';
import { type Device, deviceName } from './device.js';
import type { Session } from './session.entity.js';

/** A device that nobody has signed in on for this long is new again. */
const REMEMBERED_MS = 365 * 86_400_000;

/** A user agent is anybody's text: no link and no sentence of its own may get into a mail of ours. */
const plainName = (userAgent: string | null): string =>
  deviceName(userAgent)
    .replaceAll(/[^\w ]+/g, ' ')
    .slice(0, 60);

/** A row that was inserted has no xmax; what the subquery sees is from before the statement. */
const SEE = `insert into known_devices (user_id, name, last_seen_at) values ($1, $2, $3)
  on conflict (user_id, name) do update set last_seen_at = excluded.last_seen_at
  returning xmax = 0 as is_new, exists (select from known_devices d where d.user_id = $1) as has_others`;

/** Tells users by mail of what happens to their sessions without them, in the transaction in which it happens. */
@Injectable()
export class SessionMailsService {
  constructor(
    private readonly mails: MailsService,
    private readonly clock: Clock,
  ) {}

  /** Somebody has signed in. The very first device is no news: somebody has just registered there. */
  async opened(manager: EntityManager, userId: string, { user_agent }: Device): Promise<void> {
    const name = plainName(user_agent);
    const now = this.clock.now();
    const forget = 'delete from known_devices where user_id = $1 and last_seen_at < $2';
    await manager.query(forget, [userId, new Date(now - REMEMBERED_MS)]);
    const [device] = await manager.query<{ is_new: boolean; has_others: boolean }[]>(SEE, [
      userId,
      name,
      new Date(now),
    ]);
    if (!device!.is_new || !device!.has_others) return;
    const { email } = await manager.findOneByOrFail(User, { id: userId });
    await this.mails.enqueue(manager, { kind: 'new_device', to: email, values: this.mails.securityContext(name) });
  }

  /** A refresh token was used twice, and the session has been ended. */
  async robbed(manager: EntityManager, { user_id, user_agent }: Session): Promise<void> {
    const { email } = await manager.findOneByOrFail(User, { id: user_id });
    const values = this.mails.securityContext(plainName(user_agent));
    await this.mails.enqueue(manager, { kind: 'refresh_theft', to: email, values });
  }
}
