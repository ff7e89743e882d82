import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { AuditModule } from '../audit/audit.module.js';
import { NationalIdsModule } from '../national-ids/national-ids.module.js';
import { UserNationalIdsService } from './user-national-ids.service.js';
import { User } from './user.entity.js';
import { UserListsService } from './user-lists.service.js';
import { UsersPersonalDataService } from './users-personal-data.service.js';
import { UsersController } from './users.controller.js';
import { UsersService } from './users.service.js';

/** The users of the community: reading, searching, and the writes that modules above combine into use cases. */
@Module({
  imports: [TypeOrmModule.forFeature([User]), AuditModule, NationalIdsModule],
  controllers: [UsersController],
  providers: [UsersService, UserListsService, UserNationalIdsService, UsersPersonalDataService],
  exports: [UsersService, UserListsService],
})
export class UsersModule {}
