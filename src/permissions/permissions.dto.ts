import type { Permission, PermissionFlags } from './permissions.js';

/** Each permission, and whether the user holds it. */
export class PermissionFlagsDto implements PermissionFlags {
  /** @example false */
  admin: boolean;
  /** @example true */
  early_access: boolean;
  /** @example false */
  manage_projects: boolean;
  /** @example true */
  upload_chapters: boolean;
  /** @example false */
  moderate_avatars: boolean;
  /** @example false */
  view_hidden: boolean;
  /** @example false */
  manage_vaccines: boolean;
  /** @example false */
  verify_registrations: boolean;
  /** @example false */
  view_vaccine_reports: boolean;
  /** @example false */
  moderate_chat: boolean;
}

export class PermissionDto {
  /**
   * The name in tokens and groups.
   * @example upload_chapters
   */
  name: Permission;

  /** @example "Upload and change chapters and pages." */
  description: string;
}
