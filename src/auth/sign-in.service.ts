import { Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { Repository } from 'typeorm';
import { AuditService } from '../audit/audit.service.js';
import { Problem } from '../common/problem.js';
import { Passwords } from '../users/passwords.js';
import { User } from '../users/user.entity.js';
import { normaliseEmail } from '../users/users.dto.js';
import type { Device } from './device.js';
import type { SessionDto, SignInDto } from './sessions.dto.js';
import { SessionsService } from './sessions.service.js';

/** The door that passwords open. */
@Injectable()
export class SignInService {
  constructor(
    @InjectRepository(User) private readonly users: Repository<User>,
    private readonly passwords: Passwords,
    private readonly sessions: SessionsService,
    private readonly audit: AuditService,
  ) {}

  /** Signs in by username or e-mail. An unknown user, a wrong password and a deactivated user look and cost the same. */
  async signIn({ login, password }: SignInDto, device: Device): Promise<SessionDto> {
    const user = await this.findByLogin(login);
    const isRight = await this.passwords.verify(password, user?.password_hash);
    const session =
      isRight && user?.is_active ? await this.sessions.open(await this.rehashed(user, password), device) : null;
    if (session) return session;
    const refusal = { action: 'session.refused', subject_id: user?.id ?? null, succeeded: false } as const;
    await this.audit.write(this.users.manager, refusal);
    throw new Problem('invalid_credentials');
  }

  private findByLogin(login: string): Promise<User | null> {
    const where = login.includes('@') ? { email: normaliseEmail(login) } : { username: login };
    return this.users.findOne({ where, select: { id: true, is_active: true, password_hash: true } });
  }

  /** The one moment at which the password is at hand to hash it at a cost that has risen. */
  private async rehashed(user: User, password: string): Promise<User> {
    const { id, password_hash } = user;
    if (password_hash === null || !this.passwords.isOutdated(password_hash)) return user;
    const next = await this.passwords.hash(password);
    const { affected } = await this.users.update({ id, password_hash }, { password_hash: next });
    return affected === 1 ? { ...user, password_hash: next } : user;
  }
}
