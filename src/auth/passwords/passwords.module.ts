import { Module } from '@nestjs/common';
import { PasswordChecksService } from './password-checks.service.js';
import { PasswordFailuresService } from './password-failures.service.js';
import { PasswordHasherService } from './password-hasher.service.js';
import { PasswordPolicyService } from './password-policy.service.js';

/** The rules for passwords, their hashing, and the counts of failed checks. */
@Module({
  providers: [PasswordChecksService, PasswordFailuresService, PasswordHasherService, PasswordPolicyService],
  exports: [PasswordChecksService, PasswordFailuresService, PasswordHasherService, PasswordPolicyService],
})
export class PasswordsModule {}
