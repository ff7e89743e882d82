import { Module } from '@nestjs/common';
import { PasswordFailuresService } from './password-failures.service.js';
import { PasswordHasherService } from './password-hasher.service.js';
import { PasswordPolicyService } from './password-policy.service.js';

/** The rules for passwords, their hashing, and the counts of failed checks. */
@Module({
  providers: [PasswordFailuresService, PasswordHasherService, PasswordPolicyService],
  exports: [PasswordFailuresService, PasswordHasherService, PasswordPolicyService],
})
export class PasswordsModule {}
