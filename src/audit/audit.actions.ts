/** Everything that is ever audited. */
export const AUDIT_ACTIONS = [
  'session.opened',
  'session.refused',
  'session.ended',
  'session.refresh_theft',
  'user.locked',
  'user.unlocked',
  'user.viewed',
  'user.password_changed',
  'user.password_reset_requested',
  'user.password_reset_code_tried',
  'user.password_reset',
  'user.email_changed',
  'user.email_verified',
  'user.deactivated',
  'user.reactivated',
  'user.deleted',
  'identity.linked',
  'identity.unlinked',
  'group.created',
  'group.changed',
  'group.deleted',
  'group.member_added',
  'group.member_removed',
] as const;

export type AuditAction = (typeof AUDIT_ACTIONS)[number];
