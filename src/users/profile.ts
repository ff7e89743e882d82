import type { GroupRights } from '../permissions/permissions.js';
import type { User } from './user.entity.js';

/** A user with their groups, read in one query. */
export type Profile = Omit<User, 'password_hash' | 'nid' | 'avatar'> & { groups: GroupRights[] };

/** Columns of a profile, of `users u` joined by PROFILE_GROUPS. */
export const PROFILE_COLUMNS = `u.id, u.username, u.email, u.email_verified_at, u.pending_email, u.fullname, u.phone_number, u.address,
  u.birthday::text as birthday, u.is_active, u.avatar_id, u.created_at, u.updated_at, r.groups`;

export const PROFILE_GROUPS = `cross join lateral (
  select coalesce(jsonb_agg(jsonb_build_object('id', g.id, 'name', g.name, 'permissions', g.permissions,
    'early_access_days', g.early_access_days) order by g.name), '[]') as groups
  from group_members m join groups g on g.id = m.group_id where m.user_id = u.id) r`;
