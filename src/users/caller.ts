import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { Request } from 'express';
import type { PermissionFlags } from '../permissions/permissions.js';
import type { Profile } from './profile.js';

/** The user of a request, read from the database during the request and never from the claims of the token. */
export interface Caller {
  id: string;
  session_id: string;
  permissions: PermissionFlags;
  early_access_days: number;
  profile: Profile;
}

/** The caller as the actor of an audit event. */
export const actorOf = ({ id, session_id }: Pick<Caller, 'id' | 'session_id'>) => ({ actor_id: id, session_id });

/** The caller of a route that is not public. */
export const CurrentUser = createParamDecorator(
  (_: unknown, context: ExecutionContext): Caller =>
    context.switchToHttp().getRequest<Request & { user: Caller }>().user,
);
