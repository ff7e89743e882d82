import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { AuditModule } from '../audit/audit.module.js';
import { AuthModule } from '../auth/auth.module.js';
import { StorageModule } from '../storage/storage.module.js';
import { UsersModule } from '../users/users.module.js';
import { AvatarDeliveryService } from './avatar-delivery.service.js';
import { AvatarFilesService } from './avatar-files.service.js';
import { Avatar } from './avatar.entity.js';
import { AvatarsController } from './avatars.controller.js';
import { AvatarsService } from './avatars.service.js';
import { ModerationController } from './moderation.controller.js';
import { ModerationService } from './moderation.service.js';
import { ImageProcessingService } from './image-processing.service.js';
import { UploadGateService } from './upload-gate.service.js';

@Module({
  imports: [TypeOrmModule.forFeature([Avatar]), AuditModule, AuthModule, StorageModule, UsersModule],
  controllers: [AvatarsController, ModerationController],
  providers: [
    AvatarsService,
    ModerationService,
    AvatarDeliveryService,
    AvatarFilesService,
    ImageProcessingService,
    UploadGateService,
  ],
})
export class AvatarsModule {}
