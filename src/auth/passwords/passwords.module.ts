import { Module } from '@nestjs/common';
import { PasswordsService } from './passwords.service.js';

/** The rules for passwords and their hashing. */
@Module({ providers: [PasswordsService], exports: [PasswordsService] })
export class PasswordsModule {}
