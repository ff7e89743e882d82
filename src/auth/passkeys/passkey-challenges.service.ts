import { Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { Repository } from 'typeorm';
import { Clock } from '../../common/clock.provider.js';
import { returningRows } from '../../database/statements/returning.js';
import { challengeOf } from './webauthn.js';
import { PasskeyChallenge } from './passkey-challenge.entity.js';

/** How long a challenge is valid. */
export const CHALLENGE_LIFETIME_MS = 5 * 60_000;

/** Deletes few rows and skips locked ones, because it runs as part of a request. */
const DELETE_EXPIRED = `delete from passkey_challenges where challenge in (
  select challenge from passkey_challenges where expires_at <= $1 limit 100 for update skip locked)`;

const TAKE = `delete from passkey_challenges
  where challenge = $1 and user_id is not distinct from $2 and expires_at > $3 returning challenge`;

/** Stores issued challenges. Each is valid for one response, correct or not, of the kind it was issued for. */
@Injectable()
export class PasskeyChallengesService {
  constructor(
    @InjectRepository(PasskeyChallenge) private readonly challenges: Repository<PasskeyChallenge>,
    private readonly clock: Clock,
  ) {}

  /** Stores a challenge for the user who registers a passkey; null for a sign-in. */
  async store(challenge: string, userId: string | null): Promise<void> {
    await this.challenges.query(DELETE_EXPIRED, [this.clock.date()]);
    const expires_at = new Date(this.clock.now() + CHALLENGE_LIFETIME_MS);
    await this.challenges.insert({ challenge, user_id: userId, expires_at });
  }

  /** Deletes and returns the challenge that this credential answers; null if it was not issued for this user and purpose. */
  async take(credential: Parameters<typeof challengeOf>[0], userId: string | null): Promise<string | null> {
    const challenge = await challengeOf(credential);
    if (challenge === null || challenge.includes('\0') || !challenge.isWellFormed()) return null;
    const values = [challenge, userId, this.clock.date()];
    const [taken] = await returningRows<{ challenge: string }>(this.challenges, TAKE, values);
    return taken?.challenge ?? null;
  }
}
