import { Module } from '@nestjs/common';
import { AccountModule } from '../account/account.module.js';
import { AuthModule } from '../auth/auth.module.js';
import { ExternalIdentitiesModule } from '../auth/external-identities/external-identities.module.js';
import { PasswordResetsModule } from '../auth/passwords/password-resets.module.js';
import { UsersModule } from '../users/users.module.js';
import { ChatappController } from './chatapp/chatapp.controller.js';
import { ChatappService } from './chatapp/chatapp.service.js';
import { BackendUserController } from './backend-user/backend-user.controller.js';
import { BackendUserService } from './backend-user/backend-user.service.js';
import { TmtarController } from './tmtar/tmtar.controller.js';
import { TmtarService } from './tmtar/tmtar.service.js';

/** Compatibility routes: the documented routes of the systems that Machi replaces. `COMPAT=off` removes them. */
@Module({
  imports: [AccountModule, AuthModule, ExternalIdentitiesModule, PasswordResetsModule, UsersModule],
  controllers: [ChatappController, BackendUserController, TmtarController],
  providers: [ChatappService, BackendUserService, TmtarService],
})
export class CompatModule {}
