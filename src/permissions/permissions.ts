/** Every permission there is, with its meaning. The first six are the manga site's, and stand in every identity token. */
export const PERMISSIONS = {
  admin: 'Everything; implies all other permissions.',
  early_access: 'Read chapters before their release.',
  manage_projects: 'Create, change and delete projects.',
  upload_chapters: 'Upload and change chapters and pages.',
  moderate_avatars: "Approve, reject and take down any user's avatar.",
  view_hidden: 'See hidden chapters.',
  manage_vaccines: 'Create and change vaccination drives and their places.',
  verify_registrations: 'Verify the registrations of a vaccination drive.',
  view_vaccine_reports: 'Read the reports of vaccination drives.',
  moderate_chat: 'Take down messages and mute people in the chat.',
} as const;

export type Permission = keyof typeof PERMISSIONS;

export const PERMISSION_NAMES = Object.keys(PERMISSIONS) as Permission[];

/** What membership in one group gives. */
export interface GroupRights {
  id: string;
  name: string;
  permissions: Permission[];
  early_access_days: number;
}

export type PermissionFlags = Record<Permission, boolean>;

/**
 * The union of what someone's groups give: all permissions as booleans. Early access is a number of days before release
 * (the largest counts), so a group that grants days grants the permission.
 */
export function rightsOf(groups: GroupRights[]): { permissions: PermissionFlags; early_access_days: number } {
  const early_access_days = Math.max(0, ...groups.map((group) => group.early_access_days));
  const granted = new Set<Permission>(groups.flatMap((group) => group.permissions));
  if (early_access_days > 0) granted.add('early_access');
  const flags = PERMISSION_NAMES.map((name) => [name, granted.has('admin') || granted.has(name)]);
  return { permissions: Object.fromEntries(flags) as PermissionFlags, early_access_days };
}
