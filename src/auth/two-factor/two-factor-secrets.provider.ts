import { Injectable } from '@nestjs/common';
import { decrypt, deriveKey, encrypt } from '../../common/keys/encryption.js';
import { Config } from '../../config/config.js';
import { hashRecoveryCode } from './two-factor-codes.js';

/** Encrypts TOTP secrets and hashes recovery codes for storage, both bound to their user. */
@Injectable()
export class TwoFactorSecrets {
  private readonly secretKey: Buffer;
  private readonly recoveryKey: Buffer;

  constructor({ SECRET_KEY }: Config) {
    this.secretKey = deriveKey(SECRET_KEY, 'two-step secrets'); // names of stored data: must not change
    this.recoveryKey = deriveKey(SECRET_KEY, 'recovery codes');
  }

  encrypt(userId: string, secret: string): Buffer {
    return encrypt(this.secretKey, secret, userId);
  }

  /** Throws an Error if the secret was encrypted with another SECRET_KEY or for another user. */
  decrypt({ user_id, secret }: { user_id: string; secret: Buffer }): string {
    return decrypt(this.secretKey, secret, user_id);
  }

  hashRecoveryCodes(userId: string, codes: string[]): string[] {
    return codes.map((code) => this.hashRecoveryCode(userId, code));
  }

  hashRecoveryCode(userId: string, code: string): string {
    return hashRecoveryCode(this.recoveryKey, userId, code);
  }
}
