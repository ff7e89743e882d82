import { Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { Repository } from 'typeorm';
import { Clock } from '../../common/clock.provider.js';
import { challengeOf } from './webauthn.js';
import { PasskeyChallenge } from './passkey-challenge.entity.js';

/** How long a ceremony may take, in milliseconds. */
export const CEREMONY_MS = 5 * 60_000;

/** Bounded, and past rows that others are at: this is house-keeping on the way of a request. */
const FORGET = `delete from passkey_challenges where challenge in (
  select challenge from passkey_challenges where expires_at <= $1 limit 100 for update skip locked)`;

const TAKE = `delete from passkey_challenges
  where challenge = $1 and user_id is not distinct from $2 and expires_at > $3 returning challenge`;

/** Challenges that were given out: each is good for one answer, right or wrong, to its own kind of ceremony. */
@Injectable()
export class PasskeyChallengesService {
  constructor(
    @InjectRepository(PasskeyChallenge) private readonly challenges: Repository<PasskeyChallenge>,
    private readonly clock: Clock,
  ) {}

  /** `userId` registers a passkey; null: somebody signs in. */
  async remember(challenge: string, userId: string | null): Promise<void> {
    await this.challenges.query(FORGET, [this.clock.date()]);
    const expires_at = new Date(this.clock.now() + CEREMONY_MS);
    await this.challenges.insert({ challenge, user_id: userId, expires_at });
  }

  /** The challenge that this credential answers, which is gone then; null when it was not given out to this user. */
  async take(credential: Parameters<typeof challengeOf>[0], userId: string | null): Promise<string | null> {
    const challenge = challengeOf(credential);
    if (challenge === null || challenge.includes('\0') || !challenge.isWellFormed()) return null;
    const [taken] = await this.challenges.query<[{ challenge: string }[], number]>(TAKE, [challenge, userId, this.clock.date()]); // prettier-ignore
    return taken[0]?.challenge ?? null;
  }
}
