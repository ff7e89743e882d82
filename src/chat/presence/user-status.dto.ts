/** Sent to connected contacts when a user comes online or goes offline. */
export class UserStatusDto {
  /** @example ren.ito */
  username: string;
  /** @example true */
  is_online: boolean;
}
