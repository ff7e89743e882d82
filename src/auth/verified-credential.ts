/** A user whose password, passkey or external identity has been checked. Checks take time, so it is compared again when it is used. */
export interface VerifiedCredential {
  userId: string;
  /** The hash that the password was checked against; null: the user has no password; undefined: no password was involved. */
  passwordHash?: string | null;
  /** The credential is, or began with, the user's password. */
  isPasswordVerified?: boolean;
  /** The passkey or the external identity that was checked. */
  passkeyId?: string;
  identityId?: string;
  /** A two-factor code was checked too, or the credential is two factors in one, as passkeys are. */
  isTwoFactorVerified?: boolean;
}
