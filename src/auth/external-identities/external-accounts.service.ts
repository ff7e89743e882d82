import { Injectable } from '@nestjs/common';
import { randomBytes } from 'node:crypto';
import { DataSource, type EntityManager } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import { AuditService } from '../../audit/audit.service.js';
import { Clock } from '../../common/clock.provider.js';
import { Problem, unavailable } from '../../http/problem.js';
import { LOCK_EXTERNAL_IDENTITY } from '../../database/advisory-locks.js';
import { insertOrIgnore } from '../../database/insert-or-ignore.js';
import { actorOf, type Caller } from '../../users/caller.js';
import { ReauthenticationService } from '../reauthentication.service.js';
import type { VerifiedCredential } from '../verified-credential.js';
import { User } from '../../users/user.entity.js';
import { USERNAME } from '../../users/users.dto.js';
import { ExternalIdentity } from './external-identity.entity.js';
import type { Identity } from './identity-provider.js';

/** One row, found and marked as used. */
const USE = `update external_identities set last_used_at = $3 where issuer = $1 and subject = $2 returning user_id`;

/** The first to have had rights over all: users are numbered in the order of their making. */
const ROOT = `select u.id from users u join group_members m on m.user_id = u.id join groups g on g.id = m.group_id
  where u.is_active and 'admin' = any (g.permissions) order by u.id limit 1`;

/** By an address that was verified here as well. */
const VERIFIED = `select id from users where email = $1 and email_verified_at is not null for share`;

const ATTEMPTS = 5;

/** Which user of ours somebody from elsewhere is. */
@Injectable()
export class ExternalAccountsService {
  constructor(
    private readonly dataSource: DataSource,
    private readonly reauthentication: ReauthenticationService,
    private readonly audit: AuditService,
    private readonly clock: Clock,
  ) {}

  /** The id of the user, found or made: one, however many ask at once. */
  async userOf(identity: Identity): Promise<string> {
    return (
      (await this.find(this.dataSource.manager, identity)) ??
      this.dataSource.transaction((manager) => this.findOrCreate(manager, identity))
    );
  }

  /** Lets the caller sign in by this identity, too; null when it is somebody's already. */
  link(caller: Caller, identity: Identity, proof: VerifiedCredential): Promise<ExternalIdentity | null> {
    return this.dataSource.transaction(async (manager) => {
      await this.lock(manager, identity);
      await this.reauthentication.assertStillValid(manager, caller, proof);
      return this.tie(manager, identity, {
        ...actorOf(caller),
        subject_id: caller.id,
        details: { is_new_user: false },
      });
    });
  }

  /** Whoever asks about the same identity at the same moment waits here, and then finds what has been made of it. */
  private async lock(manager: EntityManager, { issuer, subject }: Identity): Promise<void> {
    await manager.query(LOCK_EXTERNAL_IDENTITY, [`${issuer} ${subject}`]);
  }

  private async tie(
    manager: EntityManager,
    { issuer, subject }: Identity,
    { subject_id: user_id, details, ...event }: { subject_id: string; details: object },
  ): Promise<ExternalIdentity | null> {
    const now = this.clock.date();
    const row = { id: uuidv7(), user_id, issuer, subject, created_at: now, last_used_at: now };
    if (!(await insertOrIgnore(manager, ExternalIdentity, row))) return null;
    const more = { subject_id: user_id, details: { identity_id: row.id, issuer, ...details } };
    await this.audit.write(manager, { action: 'identity.linked', ...event, ...more });
    return row as ExternalIdentity;
  }

  private async find(manager: EntityManager, { issuer, subject }: Identity): Promise<string | undefined> {
    const [rows] = await manager.query<[{ user_id: string }[]]>(USE, [issuer, subject, this.clock.date()]);
    return rows[0]?.user_id;
  }

  private async findOrCreate(manager: EntityManager, identity: Identity): Promise<string> {
    await this.lock(manager, identity);
    const found = await this.find(manager, identity);
    if (found !== undefined) return found;
    const known = identity.isRoot ? await this.root(manager) : await this.byEmail(manager, identity);
    const user_id = known ?? (await this.create(manager, identity));
    const event = { actor_id: user_id, subject_id: user_id, details: { is_new_user: known === undefined } };
    if (!(await this.tie(manager, identity, event))) throw new Problem('identity_taken'); // not while we hold the lock
    return user_id;
  }

  private async root(manager: EntityManager): Promise<string | undefined> {
    const [row] = await manager.query<{ id: string }[]>(ROOT);
    return row?.id;
  }

  private async byEmail(manager: EntityManager, { email }: Identity): Promise<string | undefined> {
    if (email === undefined) return undefined;
    const [row] = await manager.query<{ id: string }[]>(VERIFIED, [email]);
    return row?.id;
  }

  /** With the name and the address that they have elsewhere, when these are free here. */
  private async create(manager: EntityManager, identity: Identity): Promise<string> {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const user = await this.draft(manager, identity);
      if (await insertOrIgnore(manager, User, user)) return user.id;
    } // each time somebody else has taken the name or the address in the meantime
    throw unavailable('busy');
  }

  private async draft(manager: EntityManager, { username = '', fullname, email }: Identity) {
    const isFree = USERNAME.test(username) && !(await manager.existsBy(User, { username }));
    const isAddressFree = email !== undefined && !(await manager.existsBy(User, { email }));
    const name = isFree ? username : `user-${randomBytes(6).toString('hex')}`;
    const now = this.clock.date();
    return {
      id: uuidv7(),
      username: name,
      fullname: lineOf(fullname) ?? name,
      email: isAddressFree ? email : null,
      password_hash: null,
      created_at: now,
      updated_at: now,
    };
  }
}

/** A name as we let people have one (see IsLine); what it could disguise goes. */
function lineOf(text: string | undefined): string | undefined {
  const line = text?.toWellFormed?.() ?? text;
  const seen = line
    ?.normalize('NFC')
    .replaceAll(/[\p{Cc}\u202a-\u202e\u2066-\u2069]/gu, '')
    .trim();
  return seen ? [...seen].slice(0, 100).join('').trim() : undefined;
}
