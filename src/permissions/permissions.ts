/** All permissions, with their meaning. The first six come from the manga site and are in every identity token. */
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
  moderate_chat: 'Delete messages of the chat and read their history.',
} as const;

export type Permission = keyof typeof PERMISSIONS;

export const PERMISSION_NAMES = Object.keys(PERMISSIONS) as Permission[];

/**
 * Permissions whose feature this build does not have: groups may have them, for a later version, but nothing offers them. A test
 * holds the list equal to the code.
 */
export const UNUSED_PERMISSIONS: readonly Permission[] = [];

/** The rights that membership in one group grants. */
export interface GroupRights {
  id: string;
  name: string;
  permissions: Permission[];
  early_access_days: number;
}

export type PermissionFlags = Record<Permission, boolean>;

/**
 * Combines the rights of a user's groups: each permission as a boolean, and the largest number of early-access days. A
 * group that grants days also grants the permission `early_access`.
 */
export function rightsOf(groups: GroupRights[]): { permissions: PermissionFlags; early_access_days: number } {
  const early_access_days = Math.max(0, ...groups.map((group) => group.early_access_days));
  const granted = new Set<Permission>(groups.flatMap((group) => group.permissions));
  if (early_access_days > 0) granted.add('early_access');
  const flags = PERMISSION_NAMES.map((name) => [name, granted.has('admin') || granted.has(name)]);
  return { permissions: Object.fromEntries(flags) as PermissionFlags, early_access_days };
}
