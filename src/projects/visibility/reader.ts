import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { Request } from 'express';
import type { Caller } from '../../users/caller.js';

/** Who reads, reduced to what decides about visibility. */
export interface Reader {
  /** The id of the user; null for a reader who is not signed in. */
  id: string | null;
  /** Has `view_hidden` or `admin`: sees every chapter. */
  seesHidden: boolean;
  /** Has `manage_projects`: sees hidden projects, but not their chapters. */
  managesProjects: boolean;
  /** Days before the release from which the reader sees a chapter. */
  earlyAccessDays: number;
  /** What proves who the reader is; null for a reader who is not signed in. */
  credential: ReaderCredential | null;
}

/** A session or a feed token. It ends when the user signs out or revokes the token. */
export interface ReaderCredential {
  kind: 'session' | 'feed_token';
  id: string;
}

/** The user of a session or of a feed token. */
export type ReadingUser = Pick<Caller, 'id' | 'permissions' | 'early_access_days'> &
  ({ session_id: string } | { feed_token_id: string });

/** A reader who is not signed in. */
export const ANONYMOUS: Reader = {
  id: null,
  seesHidden: false,
  managesProjects: false,
  earlyAccessDays: 0,
  credential: null,
};

/** The caller as a reader; undefined for a reader who is not signed in. */
export const readerOf = (caller: ReadingUser | undefined): Reader =>
  caller
    ? {
        id: caller.id,
        seesHidden: caller.permissions.view_hidden,
        managesProjects: caller.permissions.manage_projects,
        earlyAccessDays: caller.early_access_days,
        credential:
          'session_id' in caller
            ? { kind: 'session', id: caller.session_id }
            : { kind: 'feed_token', id: caller.feed_token_id },
      }
    : ANONYMOUS;

/** The reader of a route with `@OpenToReaders()`. */
export const CurrentReader = createParamDecorator(
  (_: unknown, context: ExecutionContext): Reader =>
    context.switchToHttp().getRequest<Request & { reader: Reader }>().reader,
);
