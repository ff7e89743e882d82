import { Module } from '@nestjs/common';
import { PasswordHasherService } from './password-hasher.service.js';
import { PasswordPolicyService } from './password-policy.service.js';

/** The rules for passwords and their hashing. */
@Module({
  providers: [PasswordHasherService, PasswordPolicyService],
  exports: [PasswordHasherService, PasswordPolicyService],
})
export class PasswordsModule {}
