import { Module } from '@nestjs/common';
import { UsersController } from './users.controller.js';
import { UsersModule } from './users.module.js';

/** The routes of users. Imported last: `/users/:id` would match the `/users/me` of other modules. */
@Module({ imports: [UsersModule], controllers: [UsersController] })
export class UsersApiModule {}
