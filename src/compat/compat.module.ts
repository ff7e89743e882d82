import { type DynamicModule, Module, type Type } from '@nestjs/common';
import { AccountModule } from '../account/account.module.js';
import { AuthModule } from '../auth/auth.module.js';
import { ExternalIdentitiesModule } from '../auth/external-identities/external-identities.module.js';
import { PasswordResetsModule } from '../auth/passwords/password-resets.module.js';
import type { CompatSystem } from '../config/compat-systems.js';
import { UsersModule } from '../users/users.module.js';
import { VaccinationModule } from '../vaccination/vaccination.module.js';
import { BackendUserController } from './backend-user/backend-user.controller.js';
import { BackendUserService } from './backend-user/backend-user.service.js';
import { VaccineRegistrationController } from './backend-user/vaccine-registration.controller.js';
import { VaccineRegistrationService } from './backend-user/vaccine-registration.service.js';
import { ChatappController } from './chatapp/chatapp.controller.js';
import { ChatappService } from './chatapp/chatapp.service.js';
import { KanjikuSessionsController } from './kanjiku/kanjiku-sessions.controller.js';
import { KanjikuSessionsService } from './kanjiku/kanjiku-sessions.service.js';
import { KanjikuUsersController } from './kanjiku/kanjiku-users.controller.js';
import { KanjikuUsersService } from './kanjiku/kanjiku-users.service.js';
import { KitsuController } from './kitsu/kitsu.controller.js';
import { KitsuService } from './kitsu/kitsu.service.js';
import { SharedLoginController } from './shared-login.controller.js';
import { TmtarController } from './tmtar/tmtar.controller.js';
import { TmtarService } from './tmtar/tmtar.service.js';

/** The controllers and services of each replaced system. */
const PARTS: Record<CompatSystem, { controllers: Type[]; providers: Type[] }> = {
  kanjiku: {
    controllers: [KanjikuSessionsController, KanjikuUsersController],
    providers: [KanjikuSessionsService, KanjikuUsersService],
  },
  kitsu: { controllers: [KitsuController, SharedLoginController], providers: [KitsuService] },
  chatapp: { controllers: [ChatappController, SharedLoginController], providers: [ChatappService] },
  tmtar: { controllers: [TmtarController], providers: [TmtarService] },
  'backend-user': {
    controllers: [BackendUserController, VaccineRegistrationController],
    providers: [BackendUserService, VaccineRegistrationService],
  },
};

/** Compatibility routes: the documented routes of the systems that Machi replaces. `COMPAT` names them. */
@Module({})
export class CompatModule {
  /** The routes of these systems. */
  static forRoot(systems: readonly CompatSystem[]): DynamicModule {
    const parts = systems.map((system) => PARTS[system]);
    return {
      module: CompatModule,
      imports: [
        AccountModule,
        AuthModule,
        ExternalIdentitiesModule,
        PasswordResetsModule,
        UsersModule,
        VaccinationModule,
      ],
      controllers: [...new Set(parts.flatMap(({ controllers }) => controllers))],
      providers: parts.flatMap(({ providers }) => providers),
    };
  }
}
