import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { AuditModule } from '../audit/audit.module.js';
import { AuthModule } from '../auth/auth.module.js';
import { StorageModule } from '../storage/storage.module.js';
import { UsersModule } from '../users/users.module.js';
import { AvatarDelivery } from './avatar-delivery.js';
import { AvatarFiles } from './avatar-files.js';
import { Avatar } from './avatar.entity.js';
import { AvatarsController } from './avatars.controller.js';
import { AvatarsService } from './avatars.service.js';
import { ModerationController } from './moderation.controller.js';
import { ModerationService } from './moderation.service.js';
import { Pictures } from './pictures.js';
import { UploadGate } from './upload-gate.js';

@Module({
  imports: [TypeOrmModule.forFeature([Avatar]), AuditModule, AuthModule, StorageModule, UsersModule],
  controllers: [AvatarsController, ModerationController],
  providers: [AvatarsService, ModerationService, AvatarDelivery, AvatarFiles, Pictures, UploadGate],
})
export class AvatarsModule {}
