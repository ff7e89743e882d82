import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { AuditModule } from '../audit/audit.module.js';
import { GroupMember } from './group-member.entity.js';
import { Group } from './group.entity.js';
import { GroupsController } from './groups.controller.js';
import { GroupsPersonalDataService } from './groups-personal-data.service.js';
import { GroupsService } from './groups.service.js';

/** Groups of users, and the permissions that they give to their members. */
@Module({
  imports: [TypeOrmModule.forFeature([Group, GroupMember]), AuditModule],
  controllers: [GroupsController],
  providers: [GroupsService, GroupsPersonalDataService],
  exports: [GroupsService],
})
export class GroupsModule {}
