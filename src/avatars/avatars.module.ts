import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { AccountModule } from '../account/account.module.js';
import { AuditModule } from '../audit/audit.module.js';
import { AuthModule } from '../auth/auth.module.js';
import { ImagesModule } from '../images/images.module.js';
import { StorageModule } from '../storage/storage.module.js';
import { UsersModule } from '../users/users.module.js';
import { AvatarDeliveryService } from './avatar-delivery.service.js';
import { AvatarFilesService } from './avatar-files.service.js';
import { AvatarFilesWorker } from './avatar-files.worker.js';
import { AvatarRemoval } from './avatar-removal.entity.js';
import { Avatar } from './avatar.entity.js';
import { AvatarsController } from './avatars.controller.js';
import { AvatarsPersonalDataService } from './avatars-personal-data.service.js';
import { AvatarsService } from './avatars.service.js';
import { ModerationController } from './moderation/moderation.controller.js';
import { ModerationService } from './moderation/moderation.service.js';
import { ProfileController } from './profile.controller.js';
import { RejectedImage } from './moderation/rejected-image.entity.js';
import { UserAvatarsService } from './user-avatars.service.js';

@Module({
  imports: [
    TypeOrmModule.forFeature([Avatar, AvatarRemoval, RejectedImage]),
    AccountModule,
    AuditModule,
    AuthModule,
    ImagesModule,
    StorageModule,
    UsersModule,
  ],
  controllers: [AvatarsController, ProfileController, ModerationController],
  providers: [
    AvatarsService,
    AvatarsPersonalDataService,
    UserAvatarsService,
    ModerationService,
    AvatarDeliveryService,
    AvatarFilesService,
    AvatarFilesWorker,
  ],
})
export class AvatarsModule {}
